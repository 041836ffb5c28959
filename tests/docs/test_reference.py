"""The reference has every public name, option and variable, and the site holds together."""

import ast
import importlib
import re
from xml.etree import ElementTree as ET

import click
import pytest

import modelgates_speech.jobs
import modelgates_speech.stub
from modelgates_speech import ConfigurationError
from modelgates_speech.cli.app import COMMANDS, app
from modelgates_speech.proxies import proxy_for
from modelgates_speech.transport import trusted
from scripts.manual.assemble import page, place
from scripts.manual.check import problems
from scripts.manual.commands import command_reference
from scripts.manual.picture import PACKAGE, draw, imports, layers, without_implied
from tests.docs.test_examples import ROOT

REFERENCE = ROOT / "docs" / "reference"
VARIABLES = (REFERENCE / "variables.md").read_text("utf-8")
TABLE = re.findall(r"^\| `(\w+)` \| (.*?) \|", VARIABLES, re.MULTILINE)
PROXIES = ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"]
# They are Python's or the system's own, and not for us to explain.
COMMON = {"PATH"}


def public_names():
    for module in (modelgates_speech, modelgates_speech.jobs, modelgates_speech.stub):
        yield from (f"{module.__name__}.{name}" for name in module.__all__)
    # It cannot be imported without its extra.
    tree = ast.parse((PACKAGE / "distributed.py").read_text("utf-8"))
    [names] = [ast.literal_eval(node.value) for node in tree.body if isinstance(node, ast.Assign)]
    yield from (f"modelgates_speech.distributed.{name}" for name in names)


@pytest.mark.parametrize("name", [*public_names()])
def test_a_public_name_has_its_place_in_the_reference(name):
    pages = "\n".join(page.read_text("utf-8") for page in REFERENCE.glob("*.md"))
    assert re.search(rf"^::: {re.escape(name)}$", pages, re.MULTILINE), (
        f"add '::: {name}' to a page of docs/reference"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_the_command_line_reference_has_every_option_of_a_command(command):
    sections = re.split(r"^## ", command_reference(), flags=re.MULTILINE)
    [section] = [text for text in sections if text.startswith(f"{command}\n")]
    for option in app.get_command(None, command).params:
        if isinstance(option, click.Option) and not option.hidden:
            assert all(re.search(rf"^- `.*{name}\b", section, re.M) for name in option.opts)


@pytest.mark.parametrize("command", COMMANDS)
def test_an_option_speaks_only_of_options_that_its_command_has(command):
    options = [
        each for each in app.get_command(None, command).params if isinstance(each, click.Option)
    ]
    known = {name for each in options for name in each.opts}
    for option in options:
        # What the OpenAPI document says of an argument is the publisher's.
        if not option.name.startswith("request_"):
            named = re.findall(r"(?<![\w-])--?[a-z][a-z-]*", option.help or "")
            assert set(named) <= known, f"{option.opts[0]}: {option.help}"


def variables_of_the_code():
    """Give each variable that is read, by the names of constants where those say it."""
    for folder in ("src", "scripts"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                match node:
                    case (
                        ast.Call(func=ast.Name("from_environment" | "getenv"), args=[key, *_])
                        | ast.Call(func=ast.Attribute(attr="getenv"), args=[key, *_])
                        | ast.Call(
                            func=ast.Attribute(value=ast.Attribute(attr="environ"), attr="get"),
                            args=[key, *_],
                        )
                        | ast.Subscript(value=ast.Attribute(attr="environ"), slice=key)
                        | ast.Compare(left=key, comparators=[ast.Attribute(attr="environ")])
                    ):
                        yield from values(file, key)


def values(file, key):
    if isinstance(key, ast.Constant):
        return [key.value]
    if key.id == "variable":  # what `from_environment` itself is asked for
        return []
    inside = file.relative_to(ROOT).with_suffix("").parts
    module = importlib.import_module(".".join(inside).removeprefix("src."))
    return [getattr(module, key.id)]


def test_the_table_of_variables_has_those_that_the_code_reads_and_no_others():
    assert {name for name, _ in TABLE} == {*variables_of_the_code(), *PROXIES} - COMMON
    assert len(TABLE) == len(dict(TABLE))


@pytest.mark.parametrize("name", PROXIES)
def test_a_proxy_of_the_table_is_read_in_capitals_and_small(name, monkeypatch):
    for known in PROXIES:
        monkeypatch.delenv(known, raising=False)
        monkeypatch.delenv(known.lower(), raising=False)
    scheme = "http" if name == "HTTP_PROXY" else "https"
    for spelled in (name, name.lower()):
        with monkeypatch.context() as here:
            if name == "NO_PROXY":
                here.setenv("ALL_PROXY", "http://proxy.example:3128")
            here.setenv(spelled, "api.example" if name == "NO_PROXY" else "http://p.example:3128")
            proxy = proxy_for(f"{scheme}://api.example/v1")
            assert (proxy and proxy.url) == (
                None if name == "NO_PROXY" else "http://p.example:3128"
            )


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_of_the_table_are_read(name, monkeypatch, tmp_path):
    for known in ("SSL_CERT_FILE", "SSL_CERT_DIR"):
        monkeypatch.delenv(known, raising=False)
    monkeypatch.setenv(name, f"{tmp_path / 'nothing'}")
    if name == "SSL_CERT_FILE":
        with pytest.raises(ConfigurationError, match=name):
            trusted()
    else:
        assert trusted().cert_store_stats()["x509"] == 0


def test_the_picture_has_every_module_and_every_import_that_others_do_not_imply():
    picture = ET.fromstring(draw())
    titles = [title.text for title in picture.iter("{http://www.w3.org/2000/svg}title")]
    modules = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or path.is_dir()}
    boxes = [text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert sorted(boxes) == sorted(modules - {"__init__", "__pycache__"})
    told = {tuple(title.split(" imports ")) for title in titles if " imports " in title}
    graph = imports()
    assert told == {(a, b) for a, names in without_implied(graph).items() for b in names}
    assert ("client", "speech") in told
    assert sorted(name for row in layers() for name in row) == sorted(boxes)


def test_a_link_of_a_page_leads_to_where_things_are_in_the_site():
    assert page("docs/guides/x.md", "[a](../../CHANGELOG.md#top) [b](y.md)") == (
        "[a](../changelog.md#top) [b](y.md)"
    )
    assert page("README.md", "[a](docs/x.md)\n```sh\n[a](docs/x.md)\n```") == (
        "[a](x.md)\n```sh\n[a](docs/x.md)\n```"
    )
    assert place("docs/benchmarks/README.md") == "benchmarks/index.md"
    with pytest.raises(ValueError, match=r"docs/x\.md: noxfile\.py is not part of the site"):
        page("docs/x.md", "[a](../noxfile.py)")


WRONG = {
    '<a href="nowhere.html">': "nowhere.html leads nowhere",
    '<a href="#nothing">': "#nothing leads to a place that is not there",
    '<a href="other.html#nothing">': "other.html#nothing leads to a place that is not there",
    '<a href="https:///x">': "is not an address",
    '<a href="gopher://x.example/">': "is not an address",
    '<script src="https://cdn.example/x.js">': "from another host",
    '<img src="//cdn.example/x.png">': "from another host",
    '<link rel="stylesheet" href="https://fonts.example/x.css">': "from another host",
    '<pre class="mermaid">': "from another host",
}


@pytest.mark.parametrize("html", WRONG)
def test_what_is_wrong_with_a_site_is_found(html, tmp_path):
    (tmp_path / "other.html").write_text("<p id='here'>")
    (tmp_path / "other.md").write_text("Here.")
    (tmp_path / "index.md").write_text("[Here](other.md)")
    right = '<a href="other.html#here"><a href="https://example.org/"><img src="data:,x">'
    (tmp_path / "index.html").write_text(right)
    assert problems(tmp_path) == []

    (tmp_path / "index.html").write_text(right + html)
    [problem] = problems(tmp_path)
    assert problem.startswith("index.html: ")
    assert WRONG[html] in problem


def test_styles_and_markdown_are_looked_at_too(tmp_path):
    (tmp_path / "index.html").write_text("<p>")
    (tmp_path / "x.css").write_text("a{background:url(https://cdn.example/x.png)}")
    (tmp_path / "llms.txt").write_text("- [Page](nowhere.md)")
    assert problems(tmp_path) == [
        "index.html: is not there as Markdown",
        "llms.txt: nowhere.md leads nowhere",
        "x.css: loads a style or a font from another host",
    ]
