"""Which language a message is in: sure or silent."""

import re
from pathlib import Path

import pytest

from language import tongue
from scripts import tongues

ROOT = Path(__file__).resolve().parent.parent.parent


@pytest.mark.parametrize(
    ("lang", "text"),
    [
        ("ar", "أريد أن أتكلم مع شخص يفهمني"),
        ("ar", "مرحبا"),
        ("ar", "baddi e7ki ma3 7ada 3an jozi"),
        ("fa", "می‌خواهم درباره مادرم صحبت کنم"),
        ("fi", "haluaisin puhua jonkun kanssa siskostani"),
        ("pl", "chciałbym porozmawiać z kimś o mojej żonie"),
        ("pl", "prosze mi pomoc bo sie boje taty"),
        ("ru", "я хочу поговорить с кем-нибудь о сыне"),
        ("so", "waxaan jeclaan lahaa inaan la hadlo qof ku saabsan walaashay"),
        ("tr", "kardeşim hakkında biriyle görüşmek istiyorum"),
        ("tr", "babam cok iciyor ve ben korkuyorum"),
        ("uk", "я хочу поговорити з кимось про брата"),
    ],
)
def test_found(lang: str, text: str) -> None:
    """A sentence in one of our languages is recognised, also without its dots."""
    assert lang == tongue.of(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hej",
        "asså ja pallar inte mer bror",
        "wallah ja orkar inte len",
        "habibi kan du hjälpa mej",
        "inshallah löser de sej, yani",
        "min abi bankar på dörren",
        "mamma drikker å ja e redd",
        "pappa e fuul ijen å ja villl inte",
        "tja bre läget",
        "kiva",
        "moi moi",
        "Mohammed Ali Hassan",
        "Łukasz Żółć",
        "hmm mmm ok ok ok",
        "xd lol haha",
        "1234 5678 910",
        "idk bro my dad is kinda drunk rn",
        "i dont wanna b here no more",
        "vi bor i Rinkeby och min mamma heter Fatuma Warsame Abdi",
    ],
)
def test_home(text: str) -> None:
    """Swedish and English, slang, spelling of one's own, names and a word or two are no other language."""
    assert tongue.of(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "bavê min her roj araqê vedixwe û ez ditirsim",
        "burri im pi shumë alkool dhe kam frikë",
        "moj muž puno pije i bojim se",
        "mi marido me grita cuando está borracho",
        "mein vater trinkt zu viel und ich habe angst",
        "soțul meu bea prea mult și mi-e frică",
        "mannen min drikker for mye og jeg er redd",
        "mu mees joob liiga palju ja ma kardan",
        "atam çox içir mən qorxuram",
        "مێردەکەم زۆر دەخواتەوە و دەترسم",
        "میرا شوہر بہت شراب پیتا ہے",
        "زه غواړم د خپل پلار په اړه له چا سره خبرې وکړم",
        "ምስ ሰብ ክዛረብ ይደሊ",
        "我想和人谈谈我的父亲",
    ],
)
def test_strangers(text: str) -> None:
    """A language that we have no words in is not answered in one that looks like it."""
    assert tongue.of(text) is None


def test_one_word_when_asked() -> None:
    """Fewer words are enough for whoever knows more than the words."""
    assert "fi" == tongue.of("auttakaa lapsia", least=1)
    assert tongue.of("auttakaa lapsia") is None


def test_any_text() -> None:
    """No text raises, and a long one costs no more than its ends."""
    for text in ("\ud800", "\0", "🙂", "a" * 100_000, "ы" * 100_000, "٣ ٤", "ʼ'", "\u200c\u200f"):
        tongue.of(text)


def test_training_lines_at_home() -> None:
    """Of the Swedish and English lines we train on, fewer than one in two hundred is taken for another language."""
    lines = [text for _, text in tongues.at_home()]
    taken = [text for text in lines if tongue.of(text)]
    assert len(taken) < len(lines) / 200


def test_profiles_written_and_read() -> None:
    """The file holds what was counted, and the same lines give the same file."""
    lines = [("fi", "Haluan puhua"), ("sv", "jag vill, jag vill prata"), ("ar", "baddi e7ki 3anno")]
    found = tongues.profiles(lines)
    written = tongue.write(found)
    assert written == tongue.write(tongue.read(written))
    assert written == tongue.write(tongues.profiles(lines))
    assert re.fullmatch(r"[^\r]*\n", written, re.DOTALL)


def test_the_file_is_ours() -> None:
    """The file that comes with us knows every language."""
    profiles = tongue.read((ROOT / "language" / "tongues.txt").read_text("utf-8"))
    assert {*tongue.HOME, *tongue.TONGUES} == profiles.keys()
    assert all(profile.known and profile.triples for profile in profiles.values())
