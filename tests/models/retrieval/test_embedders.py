"""Embedders: fitted on the corpus, in a folder, behind a server; and what is remembered of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from embeddings_server import Answer, EmbeddingsServer
from retrieval_doubles import TEXTS
from retrieval_encoders import small_encoder

from corpusmith.core.errors import BudgetExceeded, ParameterError, PreconditionError, SourceError
from corpusmith.models.hosted.access import HostedAccess
from corpusmith.models.retrieval.building import EmbedderAccess, embedder_digest, encoder_folder, open_embedder
from corpusmith.models.retrieval.embedding import EmbedderIdentity, Vectors, parse_embedder, same_embedder, unit
from corpusmith.models.retrieval.encoder import FolderEncoder
from corpusmith.models.retrieval.endpoint import EndpointEmbedder, EndpointTerms
from corpusmith.models.retrieval.lsa import LsaEmbedder
from corpusmith.models.retrieval.terms import Terms, count_terms
from corpusmith.models.retrieval.vector_memory import embed_all


@pytest.fixture(scope="module")
def lsa() -> LsaEmbedder:
    texts = TEXTS * 3 + ["frog heron pond", "bridge river stone"]
    terms, stats = count_terms(Terms("en"), texts)
    return LsaEmbedder.fit(terms, stats, texts, 4)


def test_lsa_puts_texts_on_one_theme_near_each_other(lsa: LsaEmbedder, tmp_path: Path) -> None:
    frog, heron, bridge, unknown = lsa.passages(["frogs", "a heron", "the bridge", "zzz qqq"])
    assert frog @ heron > 0.8 > abs(float(frog @ bridge))
    assert not unknown.any()
    lsa.save(tmp_path / "lsa.npz")
    again = LsaEmbedder.load(tmp_path / "lsa.npz", Terms("en"))
    assert again.identity == lsa.identity
    assert np.array_equal(again.queries(TEXTS), lsa.queries(TEXTS))


def test_lsa_needs_texts_that_share_words() -> None:
    terms, stats = count_terms(Terms("en"), ["one text"])
    with pytest.raises(PreconditionError, match="share too few words"):
        LsaEmbedder.fit(terms, stats, ["one text"])


def test_its_directions_are_those_of_a_full_svd() -> None:
    rng = np.random.default_rng(3)
    words = [f"w{n}" for n in range(60)]
    texts = [" ".join(rng.choice(words, 25)) for _ in range(80)]
    terms, stats = count_terms(Terms("und"), texts)
    found = LsaEmbedder.fit(terms, stats, texts, 5)
    counts = [terms.counts(text) for text in texts]
    tf_idf = np.array(
        [[(1 + np.log(c[t])) * i if t in c else 0 for t, i in zip(found.ids, found.idf, strict=True)] for c in counts]
    )
    tf_idf /= np.linalg.norm(tf_idf, axis=1, keepdims=True)
    exact = np.linalg.svd(tf_idf, full_matrices=False)[2][:5]
    kept = np.linalg.norm(tf_idf @ found.directions) / np.linalg.norm(tf_idf @ exact.T)
    assert kept > 0.98


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_encoder(tmp_path_factory.mktemp("encoder"))


def test_an_encoder_pools_the_mean_of_its_tokens(folder: Path) -> None:
    import torch

    encoder = FolderEncoder(folder)
    assert (encoder.identity.dimension, encoder.identity.most_tokens) == (16, 24)
    texts = [TEXTS[0], "frogs", TEXTS[1] * 3]
    found = encoder.passages(texts)
    given = encoder._tokenizer([texts[1]], return_tensors="pt")
    with torch.inference_mode():
        alone = encoder._model(**given).last_hidden_state[0].mean(dim=0).numpy()[None]
    assert np.allclose(found[1], unit(alone)[0], atol=1e-5)
    assert np.allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)
    assert encoder.passages([]).shape == (0, 16)
    words = TEXTS[0].rstrip(".").split() * 5
    long, beginning = encoder.passages([" ".join(words), " ".join(words[:22])])
    assert np.allclose(long, beginning, atol=1e-5)


def test_what_an_encoder_is_follows_from_its_files(folder: Path, tmp_path: Path) -> None:
    other = small_encoder(tmp_path / "other", "cls_token")
    one, two = FolderEncoder(folder), FolderEncoder(other)
    assert one.identity.digest == embedder_digest(f"encoder:{folder}")
    with pytest.raises(PreconditionError, match="built with encoder"):
        same_embedder(one.identity, two.identity)
    assert not np.allclose(one.queries(TEXTS), two.queries(TEXTS))


def test_folders_that_are_no_encoder_say_what_is_missing(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"config\.json, tokenizer\.json missing"):
        FolderEncoder(tmp_path)
    with pytest.raises(SourceError, match="no folder"):
        encoder_folder(str(tmp_path / "nowhere"))
    (tmp_path / "strange").mkdir()
    for path in folder.iterdir():
        if path.is_file():
            (tmp_path / "strange" / path.name).symlink_to(path)
    (tmp_path / "strange" / "modules.json").unlink()
    (tmp_path / "strange" / "modules.json").write_text('[{"type": "sentence_transformers.models.Dense"}]')
    with pytest.raises(PreconditionError, match="modules that are not run here"):
        FolderEncoder(tmp_path / "strange")


def access(server: EmbeddingsServer) -> HostedAccess:
    return HostedAccess(base_url=server.url, attempts=3, backoff_s=0.0)


class Purse:
    def __init__(self, usd: float) -> None:
        self.usd, self.spent = usd, 0.0

    def left(self, account: str) -> float:
        return self.usd - self.spent

    def reserve(self, account: str, amount: float, reason: str) -> None:
        if amount > self.left(account):
            raise BudgetExceeded(f"{reason}: {amount}")

    def debit(self, account: str, amount: float, reason: str) -> None:
        self.spent += amount


def test_a_server_is_asked_in_batches_tried_again_and_paid() -> None:
    purse = Purse(10.0)
    with EmbeddingsServer([[3.0, 4.0]], 500, 429, [[0.0, 2.0], [5.0, 0.0]]) as server:
        embedder = EndpointEmbedder("m", access(server), EndpointTerms(100_000.0, purse, dimensions=2), lambda _s: None)
        assert embedder.identity.probe == (0.6, 0.8)
        assert embedder.passages(["one", "two"]).tolist() == [[0.0, 1.0], [1.0, 0.0]]
        assert server.requests[-1]["input"] == ["one", "two"]
        assert server.requests[-1]["dimensions"] == 2
    assert purse.spent == pytest.approx(1.4)
    assert embedder.tokens == 14


def test_money_that_is_not_there_is_not_spent() -> None:
    with EmbeddingsServer() as server, pytest.raises(BudgetExceeded):
        EndpointEmbedder("m", access(server), EndpointTerms(1e9, Purse(0.1)))
    assert server.requests == []


@pytest.mark.parametrize(
    ("answer", "error", "said"),
    [
        (401, SourceError, "refuses the key"),
        (404, SourceError, "no embeddings of m"),
        (400, ParameterError, "refuses"),
        ([[1.0, 0.0], [1.0, 0.0]], SourceError, "2 vectors"),
    ],
)
def test_what_a_server_says_no_to(answer: Answer, error: type[Exception], said: str) -> None:
    with EmbeddingsServer(answer) as server, pytest.raises(error, match=said):
        EndpointEmbedder("m", access(server))


def test_a_server_that_is_gone_is_named() -> None:
    with pytest.raises(SourceError, match=r"127\.0\.0\.1:9 gives no embeddings"):
        EndpointEmbedder("m", HostedAccess(base_url="http://127.0.0.1:9/v1", attempts=2, backoff_s=0.0))


def test_a_server_that_changed_its_model_is_found_out() -> None:
    with EmbeddingsServer([[3.0, 4.0]], [[4.0, -3.0]]) as server:
        old = EndpointEmbedder("m", access(server)).identity
        new = EndpointEmbedder("m", access(server))
    same_embedder(old, new.identity)
    with pytest.raises(PreconditionError, match="another model behind the name"):
        new.check_probe(old)


def test_a_server_whose_vectors_have_another_size_now_is_said() -> None:
    with EmbeddingsServer([[3.0, 4.0]], [[1.0, 0.0, 0.0]]) as server:
        embedder = EndpointEmbedder("m", access(server))
        with pytest.raises(SourceError, match="its vectors have 3 numbers, not 2"):
            embedder.queries(["one"])


class Counting:
    identity = EmbedderIdentity(kind="encoder", name="x", digest="d" * 32, dimension=2)

    def __init__(self) -> None:
        self.seen: list[str] = []

    def passages(self, texts: Any) -> Vectors:
        self.seen += texts
        return np.array([[len(text), 1.0] for text in texts], np.float32)

    queries = passages


def test_a_vector_that_was_made_is_not_made_again(tmp_path: Path) -> None:
    memory, first = tmp_path / "a" / "v.sqlite", Counting()
    vectors, made = embed_all(first, ["one", "three", "one"], memory)
    assert (made, first.seen) == (2, ["one", "three"])
    second = Counting()
    again, made = embed_all(second, ["one", "three", "one", "fifteen"], memory)
    assert (made, second.seen) == (1, ["fifteen"])
    assert np.array_equal(again[:3], vectors)
    assert embed_all(Counting(), ["one"], None)[1] == 1


def test_embedders_by_name() -> None:
    assert parse_embedder("encoder:org/name") == ("encoder", "org/name")
    assert open_embedder("none", EmbedderAccess()) is None
    with pytest.raises(ParameterError, match="no embedder 'bert'"):
        parse_embedder("bert")
