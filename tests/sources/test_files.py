from __future__ import annotations

import fsspec
import pytest

from corpusmith.core.errors import ParameterError, SourceError
from corpusmith.sources.files import find_files

LINE = '{"text": "a few words"}\n'


def uris(*sources):
    return [file.uri for file in find_files([str(source) for source in sources]).files]


def test_a_folder_is_read_through_in_a_fixed_order(save, tmp_path):
    for name in ("b.jsonl", "a/z.csv", "a/deep/er/x.txt.gz", "c.PARQUET"):
        save(name, "x")
    assert uris(tmp_path) == ["a/deep/er/x.txt.gz", "a/z.csv", "b.jsonl", "c.PARQUET"]


def test_what_is_not_read_is_listed_with_its_reason(save, tmp_path):
    save("a.jsonl", LINE)
    for name in ("i.png", "d.pdf", "z.tar.gz", "model.pkl", ".hidden", ".git/config", "noending"):
        save(name, "x")
    save("empty.jsonl", "")
    found = find_files([str(tmp_path)])
    reasons = {item.uri: item.reason for item in found.skipped}
    assert reasons == {
        "i.png": "an image (.png) is not read",
        "d.pdf": "a PDF (.pdf) is not read",
        "z.tar.gz": "an archive (.tar) is not read",
        "model.pkl": "a pickle, which is never opened (.pkl) is not read",
        ".hidden": "hidden file",
        ".git": "hidden folder",
        "noending": "files without an ending are not read in a folder",
        "empty.jsonl": "empty file",
    }


def test_a_folder_of_pictures_names_itself_and_what_is_read(save, tmp_path):
    save("pics/a.png", "x")
    with pytest.raises(SourceError, match="pics") as caught:
        find_files([str(tmp_path / "pics")])
    assert "JSONL" in caught.value.hint
    assert "a.png" in caught.value.hint


def test_missing_and_empty_things_are_named(save, tmp_path):
    save("articles.jsonl", LINE)
    with pytest.raises(SourceError, match="does not exist") as caught:
        find_files([str(tmp_path / "article.jsonl")])
    assert "articles.jsonl" in caught.value.hint
    with pytest.raises(SourceError, match="is empty"):
        find_files([str(save("nothing.jsonl", ""))])
    (tmp_path / "void").mkdir()
    with pytest.raises(SourceError, match="empty folder"):
        find_files([str(tmp_path / "void")])
    with pytest.raises(ParameterError):
        find_files([])


@pytest.mark.parametrize("uri", ["https://example.org/a.jsonl", "simplecache::s3://b/a", "nonsense://a"])
def test_urls_that_are_not_read_here(uri):
    with pytest.raises(ParameterError):
        find_files([uri])


def test_globs_and_file_urls(save, tmp_path):
    for name in ("x/a.jsonl", "x/b.jsonl", "y/a.jsonl", "y/c.txt", "y/d.png"):
        save(name, LINE)
    assert uris(tmp_path / "*" / "*.jsonl") == ["x/a.jsonl", "x/b.jsonl", "y/a.jsonl"]
    assert uris(tmp_path / "**" / "a.jsonl") == ["x/a.jsonl", "y/a.jsonl"]
    assert uris(tmp_path / "y*") == ["y/a.jsonl", "y/c.txt"]
    assert uris(f"file://{tmp_path}/x") == ["a.jsonl", "b.jsonl"]
    with pytest.raises(SourceError, match="matches"):
        uris(tmp_path / "*.none")


def test_a_name_with_glob_characters_is_a_name_first(save):
    assert uris(save("data[1].jsonl", LINE)) == ["data[1].jsonl"]


def test_clashing_sources_get_the_names_of_their_folders(save, tmp_path):
    save("articles/data.jsonl", LINE)
    save("notes/data.jsonl", LINE)
    save("other/alone.jsonl", LINE)
    expected = ["alone.jsonl", "articles/data.jsonl", "notes/data.jsonl"]
    assert uris(tmp_path / "articles", tmp_path / "notes", tmp_path / "other") == expected
    assert uris(tmp_path / "notes" / "data.jsonl", tmp_path / "articles", tmp_path / "other") == expected


def test_clashing_folder_names_look_further_up(save, tmp_path):
    save("a/data/x.txt", "x")
    save("b/data/x.txt", "y")
    assert uris(tmp_path / "a" / "data", tmp_path / "b" / "data") == ["a/data/x.txt", "b/data/x.txt"]


def test_a_file_named_twice_is_read_once(save, tmp_path):
    path = save("d/x.jsonl", LINE)
    found = find_files([str(tmp_path / "d"), str(path)])
    assert [file.uri for file in found.files] == ["x.jsonl"]
    assert [item.reason for item in found.skipped] == ["named twice; read once"]


def test_characters_that_row_ids_use_are_encoded(save, tmp_path):
    save("a#1~b 100%.jsonl", LINE)
    assert uris(tmp_path) == ["a%231%7Eb 100%25.jsonl"]


def test_links_are_followed_to_files_and_never_in_circles(save, tmp_path):
    save("d/x.jsonl", LINE)
    (tmp_path / "d" / "loop").symlink_to(tmp_path / "d")
    (tmp_path / "d" / "gone.jsonl").symlink_to(tmp_path / "nowhere")
    (tmp_path / "d" / "link.jsonl").symlink_to(tmp_path / "d" / "x.jsonl")
    found = find_files([str(tmp_path / "d")])
    assert [file.uri for file in found.files] == ["link.jsonl", "x.jsonl"]
    assert {item.uri for item in found.skipped} >= {"gone.jsonl"}


def test_other_file_systems(read_all):
    fs = fsspec.filesystem("memory")
    fs.pipe("/corpus/a/x.jsonl", LINE.encode())
    fs.pipe("/corpus/y.txt", b"some text")
    try:
        rows, _ = read_all("memory://corpus")
        assert [(row["row_id"], row["text"]) for row in rows] == [
            ("a/x.jsonl#0", "a few words"),
            ("y.txt#0", "some text"),
        ]
        assert read_all("memory://corpus/y.txt")[0][0]["row_id"] == "y.txt#0"
        assert read_all("memory://corpus/*.txt")[0][0]["row_id"] == "y.txt#0"
    finally:
        fs.rm("/corpus", recursive=True)


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("corpus.train", "just some words", "just some words"),
        ("LOG", '{"text": "a record of words"}\n{"text": "one more of them"}\n', "a record of words"),
        ("page.php", "<!DOCTYPE html><p>words</p>", "<!DOCTYPE html><p>words</p>"),
    ],
)
def test_a_file_with_an_unknown_ending_is_looked_at_when_named(name, content, text, save, read_all):
    assert read_all(save(name, content))[0][0]["text"] == text


@pytest.mark.parametrize(
    ("name", "raw"), [("a.pdf", b"%PDF-1.7 x"), ("b.bin", b"\x00\x01\x02"), ("c.zip", b"PK\x03\x04")]
)
def test_a_binary_file_is_refused_when_named(name, raw, save):
    with pytest.raises(SourceError, match="cannot be read"):
        find_files([str(save(name, raw))])
