"""Grading: what answers are worth, as one number a row, and intervals over rows. Text and numbers only, no models.

    tasks       what a set of references asks for: answers, labels or numbers
    answers     exact match (SQuAD) and numeric match (GSM8K)
    rouge       ROUGE-1, -2, -L, -Lsum
    labels      the label in an answer, accuracy, macro F1
    numbers     errors of numbers, RMSE, MAE
    plain       what a constant, the length, TF-IDF and the nearest neighbour would have answered
    judged      a judge's grades as metrics
    bootstrap   95 % intervals of a metric, and of a difference between two models on the same rows
    crossed     the interval of a difference that several seeds measured

Nothing is dropped on the way: an answer that cannot be read costs what its module says, and is counted.
"""
