"""A clerk's way from a grant to a dossier, and a judge's through it, in Chromium."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.web.browser import Pages
from tests.web.client import Client, signed_in
from tests.web.dossiers import CASE, Dossiers, bundle_of
from tests.web.network import Network

PATIENCE_MS = 60_000


def take_in(page: Page, grant: Path) -> None:
    """From the form for a grant to its case."""
    page.locator("input[name=file]").set_input_files(grant)
    page.locator("main button.main").click()
    expect(page).to_have_url(re.compile("/cases/of"))


def retrieve(page: Page, purpose: str = "庭审") -> None:
    """From a case to the dossier that is granted alone in it; one that was retrieved before has its form folded away."""
    field = page.locator("input[name=purpose]").first
    if not field.is_visible():
        page.get_by_text("Retrieve again").first.click()
    field.fill(purpose)
    page.get_by_role("button", name="Retrieve this dossier").first.click()
    expect(page).to_have_url(re.compile("/jobs/"))
    link = page.get_by_role("link", name="Open the dossier")
    link.wait_for(timeout=PATIENCE_MS)
    link.click()
    expect(page).to_have_url(re.compile("/dossiers/[0-9a-f]{32}$"))


def until(one: Locator, condition: str) -> None:
    """Wait until a member of an element is so. In the page's own loop: its policy lets no text be run as program."""
    one.evaluate(
        f"one => new Promise(done => {{ const look = () => one.{condition} ? done(1) : setTimeout(look, 20); look() }})"
    )


def test_a_clerk_takes_a_grant_in_retrieves_and_opens_the_dossier(pages: Pages, network: Network) -> None:
    page = pages.open("/cases", role="clerk")
    page.get_by_role("link", name="Take in a grant").click()
    take_in(page, network.grant)
    retrieve(page)
    expect(page.locator(".verdict-head .code")).to_have_text("CONSISTENT")
    counts = network.verdict["records"]
    withheld = sum(r["status"] == "withheld" for r in counts)
    expect(page.locator("p.lead")).to_contain_text(
        f"Records: {len(counts)}. Disclosed: {len(counts) - withheld}, withheld: {withheld}"
    )
    expect(page.locator("p.lead")).to_contain_text("missing: none")
    expect(page.locator("article.record")).to_have_count(len(counts))
    expect(page.locator("section[aria-labelledby=steps] ol.steps li")).to_have_count(16)
    for sentence in network.verdict["does_not_prove"]:
        expect(page.locator("section[aria-labelledby=limits]")).to_contain_text(sentence)


def test_the_same_way_without_script(pages: Pages, dossiers: Dossiers) -> None:
    """The job's page comes again by itself; nothing of the way needs a script."""
    page = pages.open("/cases/grant", role="clerk", script=False)
    take_in(page, dossiers.hostile_grant)
    retrieve(page, "no script")
    expect(page.locator(".verdict-head .code")).to_have_text("CONSISTENT")


def test_a_judge_plays_a_recording_from_the_timeline(pages: Pages, opened: str) -> None:
    page = pages.open(f"/dossiers/{opened}?kind=call_recording", role="judge")
    page.locator("p.payload a", has_text="call.wav").first.click()
    audio = page.locator("audio")
    until(audio, "readyState >= 1")
    audio.focus()
    page.keyboard.press("Space")
    until(audio, "currentTime > 0.2")
    until(audio, "readyState === 4")
    assert audio.evaluate("a => a.duration") > 3
    audio.evaluate("a => { a.currentTime = a.duration - 1 }")
    until(audio, "seeking === false && one.currentTime > one.duration - 1.5")


def test_a_judge_sees_what_was_withheld_in_its_place_with_the_reason(
    pages: Pages, network: Network, opened: str
) -> None:
    page = pages.open(f"/dossiers/{opened}", role="judge")
    hidden = page.locator("article.record.hidden")
    assert hidden.count() > 0
    for i in range(hidden.count()):
        expect(hidden.nth(i).locator(".status")).to_have_text("withheld", ignore_case=True)
        assert re.search("withheld: .{5}", hidden.nth(i).inner_text(), re.IGNORECASE)
        assert hidden.nth(i).locator("details").count() == 0
    times = page.locator("article.record.hidden").first.locator("dl.times dt")
    assert times.count() == 5


def test_a_judge_answers_an_objection_and_the_provenance_asked_for_stands_beside_the_record(
    pages: Pages, opened: str
) -> None:
    clerk = pages.open(f"/dossiers/{opened}", role="clerk")
    clerk.get_by_text("Enter an objection that was made to the court").click()
    clerk.locator("select[name=ground]").select_option("before_anchoring")
    clerk.locator("input[name=seqs]").fill("12")
    clerk.locator("textarea[name=text]").fill("被告代理人：放款凭证\n上链前已被改动。")
    clerk.get_by_role("button", name="Enter the objection").click()
    beside = clerk.locator("#seq-12 .notice.bad")
    expect(beside).to_contain_text("Provenance asked for")
    assert clerk.locator("section[aria-labelledby=objections] form[action*='/objections/']").count() == 0
    judge = pages.open(f"/dossiers/{opened}", role="judge")
    form = judge.locator("article.objection form").first
    form.locator("select[name=outcome]").select_option("overruled")
    form.locator("textarea[name=answer]").fill("来源已说明，异议不成立。")
    form.get_by_role("button", name="Answer the objection").click()
    done = judge.locator("article.objection").first
    expect(done).to_contain_text("Overruled")
    expect(done).to_contain_text("来源已说明")
    assert done.locator("form").count() == 0


def test_every_amount_leads_to_its_records(pages: Pages, opened: str) -> None:
    page = pages.open(f"/dossiers/{opened}?cut_off=2022-12-31", role="judge")
    cells = page.locator("section[aria-labelledby=amounts] table").first.locator("td.number a")
    assert cells.count() > 10
    for i in range(cells.count()):
        target = str(cells.nth(i).get_attribute("href"))
        traced = page.locator(target)
        assert traced.count() == 1, target
        links = traced.locator(".seqs a").evaluate_all("all => all.map(a => a.getAttribute('href'))")
        assert all(page.locator(link).count() == 1 for link in set(links))
    compared = page.get_by_role("row", name=re.compile("^Principal .* none$"))
    assert compared.count() >= 1


def test_filters_leave_the_counts_whole(pages: Pages, opened: str) -> None:
    page = pages.open(f"/dossiers/{opened}", role="judge")
    whole = page.locator("p.lead").inner_text()
    page.locator("select[name=stage]").select_option("collect")
    page.locator("section[aria-labelledby=timeline] form button").click()
    assert "stage=collect" in page.url
    assert page.locator("section.stage").count() == 1
    assert page.locator("p.lead").inner_text() == whole


def test_an_auditor_sees_lists_and_verdicts_and_no_dossier(network: Network, opened: str) -> None:
    auditor = signed_in(network.home, network.url, "auditor")
    assert CASE in auditor.get("/cases").text
    case = auditor.get(f"/cases/of?case={quote(CASE)}").text
    assert "Consistent since it was anchored" in case
    assert opened not in case
    refused = [
        f"/dossiers/{opened}",
        f"/dossiers/{opened}/bundle.zip",
        f"/dossiers/{opened}/payloads/0/x",
        f"/dossiers/{opened}/payloads/0/x/bytes",
        "/cases/grant",
    ]
    nothing = auditor.get("/no-such-page")
    for path in refused:
        answer = auditor.get(path)
        assert (answer.status, _without_numbers(answer.text)) == (404, _without_numbers(nothing.text)), path


def clerk_of(network: Network) -> Client:
    return signed_in(network.home, network.url, "clerk")


def test_an_auditor_reads_who_looked_at_a_dossier(pages: Pages, dossiers: Dossiers, opened: str) -> None:
    clerk_of(dossiers.network).get(f"/dossiers/{opened}")
    page = pages.open(f"/custody?dossier={dossiers.dossier}", role="auditor")
    looked = page.get_by_role("row").filter(has_text="view: permitted").filter(has_text="person/a-clerk")
    assert looked.count() >= 1
    expect(page.get_by_role("row").filter(has_text="request: sent").first).to_contain_text("person/a-clerk: hearing")
    assert page.get_by_role("row").filter(has_text="sign_in").count() == 0
    pages.shoot("custody", f"/custody?dossier={dossiers.dossier}", role="auditor")


@pytest.mark.parametrize("query", ["dossier=x", "from=-1", "from=1e9", "from=" + "9" * 30])
def test_pages_of_the_custody_log_that_there_are_none_of(network: Network, query: str) -> None:
    assert clerk_of(network).get(f"/custody?{query}").status == 404


def _without_numbers(text: str) -> str:
    return re.sub(r'value="[^"]*"', "", text)


@pytest.mark.parametrize(
    "path", ["/cases", "/cases/export.csv", "/cases/grant", "/jobs/00", "/dossiers/00", "/cases/of?case=x"]
)
def test_signed_out_people_are_led_to_the_sign_in_page(client: Client, path: str) -> None:
    answer = client.get(path)
    assert answer.status == 303
    assert answer.to.startswith("/sign-in?next=")


def test_an_expired_session_in_the_middle_of_a_retrieval_ends_nothing(
    pages: Pages, dossiers: Dossiers, opened: str
) -> None:
    """The browser is led to sign in and back to the job; the job itself went on."""
    page = pages.open(f"/cases/of?case={CASE}", role="judge")
    page.get_by_text("Retrieve again").first.click()
    page.locator("input[name=purpose]").first.fill("another hearing")
    page.get_by_role("button", name="Retrieve this dossier").first.click()
    job = page.url
    page.context.clear_cookies()
    page.goto(job)
    expect(page).to_have_url(re.compile("/sign-in"))
    again = signed_in(dossiers.network.home, dossiers.network.url, "judge")
    for _ in range(600):
        text = again.get(job.removeprefix(dossiers.network.url)).text
        if 'data-under-way="no"' in text:
            break
    assert "Open the dossier" in text


@pytest.mark.parametrize("case", ["(2026)民初9999号", "", "x" * 300, "../../etc/passwd", "%00", "' OR 1=1 --"])
def test_forged_case_numbers_are_pages_that_do_not_exist(network: Network, case: str) -> None:
    clerk = signed_in(network.home, network.url, "clerk")
    assert clerk.get(f"/cases/of?case={quote(case)}").status == 404
    wanted = {"case": case[:100], "grant": "00" * 32, "dossier": "00" * 16, "purpose": "x"}
    assert clerk.post("/cases/retrieve", wanted, at="/cases").status == 404


@pytest.mark.parametrize("token", ["", "abc", "a.b.c", "ﬁ" * 10])
def test_a_grant_that_is_none_is_refused_with_words(network: Network, token: str) -> None:
    clerk = signed_in(network.home, network.url, "clerk")
    answer = clerk.post("/cases/grant", {"token": token}, at="/cases/grant")
    assert answer.status == 422
    assert "This grant was not taken in." in answer.text


def test_exports_hold_every_dossier_and_no_formula(network: Network, opened: str) -> None:
    clerk = signed_in(network.home, network.url, "auditor")
    table = clerk.get("/cases/export.csv")
    assert table.headers["content-disposition"] == 'attachment; filename="cases.csv"'
    assert bundle_of(clerk_of(network), CASE) in table.text
    assert opened
    assert not re.search(r"(^|,)[=+\-@]", table.text)
    lines = clerk.get("/cases/export.jsonl?search=0002").text.splitlines()
    assert len(lines) == 1
    assert CASE in lines[0]


def test_pages_in_both_languages_and_widths(pages: Pages, opened: str, dossiers: Dossiers) -> None:
    pages.shoot("cases", "/cases", role="clerk")
    pages.shoot("grant", "/cases/grant", role="clerk")
    pages.shoot("case", f"/cases/of?case={CASE}", role="clerk")
    pages.shoot("dossier", f"/dossiers/{opened}", role="judge")
    pages.shoot(
        "dossier-open",
        lambda page: (
            page.goto(f"{pages.url}/dossiers/{opened}?stage=disburse&cut_off=2022-12-31"),
            page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)"),
        ),
        role="judge",
    )
    clerk = signed_in(dossiers.network.home, dossiers.network.url, "clerk")
    jobs = re.findall(r"/jobs/[0-9a-f]{32}", clerk.post(f"/dossiers/{opened}/again", at=f"/dossiers/{opened}").to)
    pages.shoot("job", jobs[0], role="judge")
