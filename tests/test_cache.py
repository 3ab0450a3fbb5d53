"""The caches on disk: the contract's `Cache` to the letter, and no harm from what lies there."""

from __future__ import annotations

import os
import pickle
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
from contextlib import closing, suppress
from pathlib import Path

import diskcache
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule

import syncsim
from syncsim.cache import CacheFolder, UserCache
from syncsim.cache.safe_disk import SafeDiskCache
from syncsim.errors import CacheError, UsageError
from tests.parts import at_the_end

SCALARS = (
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-1e9, 1e9) | st.text()
)
JSON_VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)
KEYS = st.sampled_from(["a", "b", "template:c", "", "../x", "\0", "ключ"])
EACH_TIME = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def folder(tmp_path):
    with closing(CacheFolder(tmp_path / "cache")) as folder:
        yield folder


@pytest.fixture
def cache(folder):
    return folder.of("ann")


def closed_later(cache: UserCache) -> UserCache:
    return at_the_end.enter_context(closing(cache))


def another(cache: UserCache, timeout_s: float = 0.02) -> UserCache:
    """The same cache as a second process has it: by files alone."""
    return closed_later(UserCache(cache.path, cache.user, timeout_s=timeout_s))


def child(code: str, *args: object) -> subprocess.Popen[str]:
    """A fresh Python that has imported the cache and talks by lines."""
    head = (
        "import sys; from pathlib import Path; from syncsim.cache import CacheFolder, UserCache\n"
    )
    return subprocess.Popen(
        [sys.executable, "-c", head + code, *map(str, args)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": str(Path(syncsim.__file__).parents[1])},
    )


def answer(code: str, *args: object) -> str:
    """What a child that ends well has printed."""
    process = child(code, *args)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return out.strip()


def in_thread(call):
    """The result of a call in another thread, or the exception it raised."""
    results = []

    def run():
        try:
            results.append(call())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(30)
    return results[0]


# -- the contract ----------------------------------------------------------------------------------


@EACH_TIME
@given(key=KEYS, value=JSON_VALUES)
def test_what_was_set_is_what_get_returns(cache, key, value):
    cache.set(key, value)
    assert cache.get(key) == value
    assert another(cache).get(key) == value


def test_an_unknown_key_is_none_and_may_be_deleted(cache):
    assert cache.get("k") is None
    cache.delete("k")


def test_nobody_can_change_what_was_set(cache):
    value = {"fields": [1]}
    cache.set("k", value)
    value["fields"].append(2)
    cache.get("k")["fields"].append(3)
    assert cache.get("k") == {"fields": [1]}


def test_add_stores_only_what_is_unknown(cache):
    assert cache.add("k", 1) is True
    assert cache.add("k", 2) is False
    assert cache.get("k") == 1
    cache.delete("k")
    assert cache.add("k", 3) is True


def test_clear_forgets_every_key(cache):
    for number in range(250):  # more than diskcache deletes at a time
        cache.set(f"k{number}", number)
    cache.clear()
    assert [cache.get(f"k{number}") for number in (0, 249)] == [None, None]


def test_transact_writes_all_or_nothing(cache):
    with cache.transact():
        cache.set("a", 1)
        cache.set("b", 1)
    with suppress(ZeroDivisionError), cache.transact():
        cache.set("a", 2)
        cache.delete("b")
        _ = 1 / 0
    assert (cache.get("a"), cache.get("b")) == (1, 1)


def test_transact_is_reentrant(cache):
    with cache.transact():
        with cache.transact(), cache.transact():
            cache.set("k", 1)
        assert cache.add("k", 2) is False
        assert cache.get("k") == 1
    assert another(cache).get("k") == 1


def transact(cache):
    with cache.transact():
        pass


CALLS = {
    "get": lambda cache: cache.get("k"),
    "set": lambda cache: cache.set("k", 2),
    "delete": lambda cache: cache.delete("k"),
    "add": lambda cache: cache.add("new", 2),
    "clear": lambda cache: cache.clear(),
    "transact": transact,
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_transact_excludes_every_call_of_other_threads(tmp_path, call):
    cache = closed_later(UserCache(tmp_path / "ann.cache", "ann", timeout_s=0.02))
    with cache.transact():
        cache.set("k", 1)
        assert "another thread" in str(in_thread(lambda: call(cache)))
    assert cache.get("k") == 1
    assert not isinstance(in_thread(lambda: call(cache)), Exception)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_transact_excludes_every_call_of_other_processes(cache, call):
    """A single get too: SQLite alone would let it read past the transaction."""
    cache.set("k", 0)
    other = another(cache)
    other.get("k")
    with cache.transact():
        cache.set("k", 1)
        with pytest.raises(CacheError, match="another process"):
            call(other)
    assert other.get("k") == 1
    call(other)


@pytest.mark.parametrize("value", [{1, 2}, {1: "a"}, object(), b"x", "\ud800", 2**70])
def test_what_is_not_json_is_refused_and_changes_nothing(cache, value):
    cache.set("k", 1)
    for call in (cache.set, cache.add):
        with pytest.raises(UsageError, match="value cannot be"):
            call("k", value)
    assert cache.get("k") == 1


@pytest.mark.parametrize("key", [None, 1, b"k", ("k",), "\ud800"])
def test_a_key_that_is_not_text_is_refused(cache, key):
    for call in (cache.get, cache.delete, lambda key: cache.set(key, 1)):
        with pytest.raises(UsageError, match="key cannot be"):
            call(key)


class CacheMachine(RuleBasedStateMachine):
    """Two processes' objects for one cache, against a dict."""

    caches: tuple[UserCache, UserCache]

    @initialize()
    def start(self):
        self.model = {}
        self.folder = Path(os.environ["SYNCSIM_TEST_FOLDER"])
        shutil.rmtree(self.folder, ignore_errors=True)
        self.caches = tuple(UserCache(self.folder / "x.cache", "x") for _ in range(2))

    @rule(which=st.integers(0, 1), key=KEYS, value=JSON_VALUES)
    def set(self, which, key, value):
        self.caches[which].set(key, value)
        self.model[key] = value

    @rule(which=st.integers(0, 1), key=KEYS, value=JSON_VALUES)
    def add(self, which, key, value):
        assert self.caches[which].add(key, value) == (key not in self.model)
        self.model.setdefault(key, value)

    @rule(which=st.integers(0, 1), key=KEYS)
    def delete(self, which, key):
        self.caches[which].delete(key)
        self.model.pop(key, None)

    @rule(which=st.integers(0, 1), key=KEYS)
    def get(self, which, key):
        assert self.caches[which].get(key) == self.model.get(key)

    @rule(which=st.integers(0, 1))
    def clear(self, which):
        self.caches[which].clear()
        self.model.clear()

    @rule(which=st.integers(0, 1))
    def rest(self, which):
        assert self.caches[which].rest()

    @rule(which=st.integers(0, 1), key=KEYS, value=JSON_VALUES, is_undone=st.booleans())
    def transact(self, which, key, value, is_undone):
        try:
            with self.caches[which].transact():
                self.caches[which].clear()
                self.caches[which].set(key, value)
                if is_undone:
                    raise ZeroDivisionError
        except ZeroDivisionError:
            return
        self.model = {key: value}

    def teardown(self):
        for cache in getattr(self, "caches", ()):
            cache.close()


def test_two_processes_see_one_dict(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNCSIM_TEST_FOLDER", str(tmp_path / "machine"))
    from hypothesis.stateful import run_state_machine_as_test

    run_state_machine_as_test(
        CacheMachine, settings=settings(max_examples=15, stateful_step_count=30)
    )


# -- threads and processes -------------------------------------------------------------------------

COUNT = """
cache = UserCache(Path(sys.argv[1]), "ann", timeout_s=30.0)
for _ in range(int(sys.argv[2])):
    with cache.transact():
        cache.set("n", (cache.get("n") or 0) + 1)
"""


@pytest.mark.real
def test_no_increment_is_lost_between_processes_and_threads(cache):
    cache = another(cache, timeout_s=30.0)
    children = [child(COUNT, cache.path, 150) for _ in range(2)]

    def count():
        for _ in range(50):
            with cache.transact():
                cache.set("n", (cache.get("n") or 0) + 1)

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [process.wait(60) for process in children] == [0, 0]
    for process in children:
        process.communicate()
    assert cache.get("n") == 500


@pytest.mark.real
def test_a_process_killed_inside_transact_leaves_no_lock_and_no_trace(cache):
    cache.set("k", 1)
    process = child(
        """
cache = UserCache(Path(sys.argv[1]), "ann")
with cache.transact():
    cache.set("k", 2)
    print("inside", flush=True)
    sys.stdin.readline()
""",
        cache.path,
    )
    assert process.stdout.readline() == "inside\n"
    with pytest.raises(CacheError, match="another process"):
        cache.get("k")
    process.send_signal(signal.SIGKILL)
    process.communicate(timeout=60)
    assert cache.get("k") == 1


GET = "print(UserCache(Path(sys.argv[1]), 'ann').get('k'))"


@pytest.mark.real
def test_opening_a_cache_twice_in_a_process_ends_no_lock_of_the_first(cache):
    """Closing any descriptor of a file ends all locks of the process on it (POSIX).

    Then the next process to leave takes itself for the last and deletes the log in use here.
    """
    cache.set("k", 1)
    twice = another(cache)
    twice.get("k")
    assert answer(GET, cache.path) == "1"
    cache.set("k", 2)
    assert answer(GET, cache.path) == "2"


@pytest.mark.real
def test_two_hundred_threads_on_four_users_stay_below_1024_open_files(tmp_path):
    """diskcache alone keeps 2 files open per thread and user."""
    assert (
        answer(
            """
import os, resource, threading
resource.setrlimit(resource.RLIMIT_NOFILE, (1024, 1024))
folder = CacheFolder(Path(sys.argv[1]))
barrier, failures, most = threading.Barrier(200), [], 0
def work(n):
    global most
    barrier.wait()
    try:
        for user in "ann", "ben", "cem", "dan":
            cache = folder.of(user)
            cache._timeout_s = 60.0  # how long a turn takes is no matter of this test
            cache.set(f"k{n}", n)
            assert cache.get(f"k{n}") == n
        most = max(most, len(os.listdir("/proc/self/fd" if os.path.isdir("/proc") else "/dev/fd")))
    except BaseException as error:
        failures.append(repr(error))
threads = [threading.Thread(target=work, args=(n,)) for n in range(200)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(failures, most < 64)
""",
            tmp_path / "cache",
        )
        == "[] True"
    )


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_child_forked_inside_transact_cannot_end_the_transaction(cache):
    failures, child = [], None
    try:
        with cache.transact():
            cache.set("k", 1)
            child = os.fork()
            if child:
                assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 2
                with pytest.raises(CacheError, match="locked"):
                    another(cache).get("k")
    except CacheError as error:
        failures.append(error)
    finally:
        if child == 0:
            with suppress(Exception):
                try:
                    cache.get("k")
                except CacheError as error:
                    failures.append(error)
            os._exit(len(failures))
    assert cache.get("k") == 1
    assert not broken_folder(cache).exists()


def test_an_interrupt_at_the_end_of_a_transaction_blocks_nobody(cache, monkeypatch):
    """Ctrl-C in a notebook: between COMMIT and our note of it, or before both."""
    monkeypatch.setattr(SafeDiskCache, "end", lambda *_: signal.raise_signal(signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        cache.set("k", 1)
    monkeypatch.undo()
    cache.set("k", 2)
    assert another(cache).get("k") == 2


# -- what lies in the files ------------------------------------------------------------------------


class Bait:
    """A pickle that makes a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def plant(cache: UserCache, key: str, mode: int, filename: str | None, value: object) -> None:
    """Put a row of any kind behind a key."""
    with closing(sqlite3.connect(cache.path / "cache.db")) as database, database:
        database.execute(
            "UPDATE Cache SET mode = ?, filename = ?, value = ? WHERE key = ?",
            (mode, filename, value, key),
        )


@pytest.fixture
def baited(cache, tmp_path):
    """Rows that run code, or read a file outside, in a plain diskcache; all keys of a cache."""
    secret = cache.path.parent / "secret"
    pickled = pickle.dumps(Bait(tmp_path / "ran"))
    rows = {
        "pickle": (4, None, pickled),
        "pickle file": (4, "../secret", None),
        "binary file": (2, "../secret", None),
        "text file": (3, "../secret", None),
        "absolute file": (2, str(secret), None),
        "number": (1, None, 7),
        "text": (1, None, "{}"),
        "no checksum": (1, None, b"{}"),
        "nothing": (1, None, None),
        "empty": (1, None, b""),
    }
    for key, row in rows.items():
        cache.set(key, 1)
        plant(cache, key, *row)
    secret.write_bytes(pickled)
    return list(rows)


def test_the_bait_is_alive_in_a_plain_diskcache(cache, baited, tmp_path):
    """Otherwise the next test would prove nothing."""
    with diskcache.Cache(cache.path) as plain:
        plain.get("pickle")
        assert (tmp_path / "ran").is_dir()
        assert plain.get("binary file") == (cache.path.parent / "secret").read_bytes()
        plain.delete("binary file")
    assert not (cache.path.parent / "secret").exists()


def test_a_planted_row_is_a_miss_that_runs_reads_and_deletes_nothing(
    cache, baited, tmp_path, caplog
):
    for key in baited:
        caplog.clear()
        assert cache.get(key) is None
        assert "was dropped" in caplog.text
        assert cache.add(key, "new")
    assert [cache.get(key) for key in baited] == ["new"] * len(baited)
    assert not (tmp_path / "ran").exists()
    assert (cache.path.parent / "secret").exists()


def test_no_row_can_have_a_file_outside_deleted(cache, baited):
    """diskcache deletes the file that a row names when the row goes, wherever it lies."""
    cache.set("binary file", 1)
    cache.delete("text file")
    cache.clear()
    assert (cache.path.parent / "secret").exists()


def test_a_pickled_key_is_never_loaded(cache, tmp_path):
    cache.set("k", 1)
    with closing(sqlite3.connect(cache.path / "cache.db")) as database, database:
        pickled = pickle.dumps(Bait(tmp_path / "ran"))
        database.execute("UPDATE Cache SET key = ?, raw = 0", (pickled,))
    assert cache.get("k") is None
    cache.set("k", 2)
    cache.clear()
    assert not (tmp_path / "ran").exists()


def broken_folder(cache: UserCache) -> Path:
    return cache.path.with_suffix(".broken")


def garbage(database: Path) -> None:
    database.write_bytes(b"this is no database" * 1000)


def cut(database: Path) -> None:
    database.write_bytes(database.read_bytes()[:5000])


def foreign(database: Path) -> None:
    database.unlink()
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("CREATE TABLE photos (taken_at REAL)")


def other_columns(database: Path) -> None:
    database.unlink()
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("CREATE TABLE Cache (taken_at REAL)")


def strange_setting(database: Path) -> None:
    """diskcache would set it as an attribute of itself, in place of its method."""
    with closing(sqlite3.connect(database)) as other, other:
        other.execute("INSERT INTO Settings VALUES ('get', 1)")


@pytest.mark.parametrize("harm", [garbage, cut, foreign, other_columns, strange_setting])
def test_files_that_are_damaged_or_foreign_are_put_aside_and_made_anew(cache, harm, caplog):
    cache.set("k", "x" * 20_000)
    cache.rest()
    harm(cache.path / "cache.db")
    assert cache.get("k") is None
    cache.set("k", 2)
    assert another(cache).get("k") == 2
    assert (broken_folder(cache) / "cache.db").exists()
    assert caplog.text.count("made anew") == 1


@pytest.mark.parametrize("harm", [garbage, cut, strange_setting])
def test_damage_done_to_open_files_ends_after_one_failure(cache, harm):
    cache.set("k", "x" * 20_000)
    with closing(sqlite3.connect(cache.path / "cache.db")) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    harm(cache.path / "cache.db")
    try:
        assert cache.get("k") in (None, "x" * 20_000)
        cache.set("other", 1)
    except CacheError as error:
        assert cache.user in error.reason  # noqa: PT017
    cache.set("k", 2)
    assert cache.get("k") == 2


def test_damage_that_another_process_has_mended_is_not_mended_again(cache, monkeypatch):
    def fail(*_):
        raise sqlite3.DatabaseError("database disk image is malformed")

    cache.set("k", 1)
    monkeypatch.setattr(SafeDiskCache, "get", fail)
    with pytest.raises(CacheError, match="malformed"):
        cache.get("k")
    monkeypatch.undo()
    garbage(cache.path / "cache.db")
    another(cache).set("k", 2)
    assert cache.get("k") == 2


def test_a_second_disaster_replaces_what_the_first_left(cache):
    for number in range(3):
        cache.set("k", number)
        cache.rest()
        garbage(cache.path / "cache.db")
        assert cache.get("k") is None
    assert len(list(cache.path.parent.glob("*.broken"))) == 1


REMOVALS = {
    "cache": lambda cache: shutil.rmtree(cache.path),
    "folder": lambda cache: shutil.rmtree(cache.path.parent),
    "database": lambda cache: (cache.path / "cache.db").unlink(),
}


@pytest.mark.parametrize("remove", REMOVALS.values(), ids=REMOVALS)
def test_files_removed_while_open_are_made_anew(cache, remove, caplog):
    cache.set("k", 1)
    remove(cache)
    assert cache.get("k") is None
    cache.set("k", 2)
    assert another(cache).get("k") == 2
    assert "damaged" not in caplog.text


def test_who_finds_the_files_replaced_follows(cache):
    """Two processes; one puts the damaged files aside, the other must not go on in the old ones."""
    other = another(cache, timeout_s=1.0)
    cache.set("k", 1)
    assert other.get("k") == 1
    cache.rest()
    garbage(cache.path / "cache.db")
    cache.set("k", 2)
    assert other.get("k") == 2
    other.set("k", 3)
    assert cache.get("k") == 3


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=4)
)
def test_flipped_bytes_never_come_back_as_values(tmp_path, flips):
    """Whatever a disk does to the file: the value, a miss or an error, and then it works again."""
    path = tmp_path / "flip.cache"
    shutil.rmtree(path, ignore_errors=True)
    cache = closed_later(UserCache(path, "ann"))
    values = {f"k{number}": {"text": f"{number}" * 700} for number in range(12)}
    for key, value in values.items():
        cache.set(key, value)
    cache.rest()
    content = bytearray((path / "cache.db").read_bytes())
    for place, change in flips:
        content[int(place * len(content))] ^= change
    (path / "cache.db").write_bytes(content)
    for key, value in values.items():
        try:
            assert cache.get(key) in (value, None)
        except CacheError:
            continue
    for _ in range(2):
        try:
            cache.clear()
            cache.set("k", 1)
        except CacheError:
            continue
    assert cache.get("k") == 1
    cache.close()


def lock(cache: UserCache) -> sqlite3.Connection:
    """Another program that keeps the database to itself."""
    database = sqlite3.connect(cache.path / "cache.db", isolation_level=None)
    database.execute("BEGIN EXCLUSIVE")
    return database


@pytest.mark.timeout(20)
def test_a_locked_database_is_an_error_in_time_and_is_left_as_it_is(cache):
    """diskcache alone waits 60 s to open a locked cache."""
    cache.set("k", 1)
    other = another(cache)
    with closing(lock(cache)):
        for _ in range(2):
            for call in (
                lambda: other.get("k"),
                lambda: other.set("k", 2),
                other.transact().__enter__,
            ):
                with pytest.raises(CacheError, match="locked"):
                    call()
    assert other.get("k") == 1
    with closing(lock(cache)), pytest.raises(CacheError, match="locked by another process"):
        other.get("k")
    assert not broken_folder(cache).exists()


@pytest.mark.real
def test_a_full_disk_is_an_error_until_there_is_room(cache):
    """The limit on file size makes the kernel refuse to write, as a full disk does."""
    cache.set("k", 1)
    cache.rest()
    assert (
        answer(
            """
import resource
from syncsim.errors import CacheError
cache = UserCache(Path(sys.argv[1]), "ann")
cache.get("k")
size = (cache.path / "cache.db").stat().st_size + 40_000
resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))
try:
    for n in range(100): cache.set(f"k{n}", "x" * 10_000)
except CacheError as error: print(type(error).__name__)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
cache.set("later", 2)
print(cache.get("k"), cache.get("later"))
""",
            cache.path,
        )
        == "CacheError\n1 2"
    )
    assert not broken_folder(cache).exists()


def test_a_cache_stays_within_its_size_and_keeps_what_is_new(tmp_path):
    cache = UserCache(tmp_path / "ann.cache", "ann", size_limit_bytes=300_000)
    for number in range(300):
        cache.set(f"k{number}", "x" * 4_000)
    cache.rest()
    assert (cache.path / "cache.db").stat().st_size < 400_000
    assert cache.get("k299") is not None
    assert cache.get("k0") is None
    cache.close()


# -- folders ---------------------------------------------------------------------------------------

NAMES = [
    "ann",
    "../../evil",
    "a/b",
    "/etc",
    "..",
    ".",
    "",
    "x" * 200,
    "👩‍💻",
    "a\nb",
    "~",
    "$HOME",
    "CON",
]


def test_no_user_name_leads_out_of_the_folder_or_into_another_cache(tmp_path):
    root = tmp_path / "outer" / "cache"
    with closing(CacheFolder(root)) as folder:
        for name in NAMES:
            folder.of(name).set("me", name)
        assert [folder.of(name).get("me") for name in NAMES] == NAMES
        assert folder.users() == sorted(NAMES)
    outside = {path for path in tmp_path.rglob("*") if root not in (path, *path.parents)}
    assert outside == {root.parent}
    assert len(list(root.glob("*.cache"))) == len(NAMES)


@pytest.mark.real
def test_users_of_other_processes_are_listed(folder):
    folder.of("ann").set("k", 1)
    answer("CacheFolder(Path(sys.argv[1])).of('ben/../👩').set('k', 1)", folder.path)
    assert folder.users() == ["ann", "ben/../👩"]


def test_a_folder_that_nobody_used_has_no_users_and_is_not_made(tmp_path):
    folder = CacheFolder(tmp_path / "cache")
    folder.of("ann")
    assert folder.users() == []
    assert not (tmp_path / "cache").exists()


def test_nobody_else_can_look_into_the_files(cache):
    """Whatever the umask: caches hold the same documents as the store."""
    before = os.umask(0)
    try:
        cache.set("k", 1)
    finally:
        os.umask(before)
    modes = {
        path.name: stat.S_IMODE(path.stat().st_mode)
        for path in (cache.path.parent, cache.path, *cache.path.iterdir())
    }
    assert {name: mode for name, mode in modes.items() if mode & 0o077} == {}
    assert modes["cache.db-wal"] == 0o600


def test_a_folder_that_others_may_write_is_refused(tmp_path):
    root = tmp_path / "cache"
    root.mkdir()
    root.chmod(0o777)
    cache = CacheFolder(root).of("ann")
    with pytest.raises(CacheError, match=r"mode 777.*chmod go-w"):
        cache.set("k", 1)
    root.chmod(0o755)
    cache.set("k", 1)
    cache.rest()
    cache.path.chmod(0o770)
    with pytest.raises(CacheError, match=r"chmod go-w"):
        cache.get("k")
    cache.close()


def test_a_folder_of_another_user_is_refused(tmp_path, monkeypatch):
    (tmp_path / "cache").mkdir(0o700)
    me = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: me + 1)
    with pytest.raises(CacheError, match=rf"belongs to another user \(uid {me}, not {me + 1}\)"):
        CacheFolder(tmp_path / "cache").of("ann").set("k", 1)


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_a_folder_that_cannot_be_made_is_an_error_of_the_call_alone(tmp_path, call):
    (tmp_path / "file").write_text("")
    folder = CacheFolder(tmp_path / "file" / "cache")
    cache = folder.of("ann")
    with pytest.raises(CacheError, match="Not a directory"):
        call(cache)
    assert folder.users() == []
    folder.close()


NOBODY = 65_534


@pytest.fixture
def folder_of_no_root(tmp_path):
    """A folder of a user whom permissions bind: root, whom they do not, becomes nobody for a while.

    Not below `tmp_path` then, which only root may enter.
    """
    if os.geteuid() != 0:
        yield tmp_path
        return
    path = Path(tempfile.mkdtemp(prefix="syncsim-nobody-"))
    os.chown(path, NOBODY, NOBODY)
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield path
    finally:
        os.seteuid(0)
        os.setegid(0)
        shutil.rmtree(path)


def test_a_read_only_folder_is_an_error_until_it_is_writable(folder_of_no_root):
    assert os.geteuid() != 0
    folder = CacheFolder(folder_of_no_root / "cache")
    cache = folder.of("ann")
    cache.set("k", 1)
    cache.rest()
    files = [cache.path, *cache.path.iterdir()]
    for path in files:
        path.chmod(path.stat().st_mode & ~0o222)
    with pytest.raises(CacheError):
        cache.get("k")
    for path in files:
        path.chmod(path.stat().st_mode | 0o200)
    assert cache.get("k") == 1
    assert not broken_folder(cache).exists()
    folder.close()


def test_a_user_has_one_cache_object(folder):
    assert folder.of("ann") is folder.of("ann")
    assert folder.of("ann") is not folder.of("ben")


def open_databases() -> set[Path]:
    """The folders of the caches that this process has open."""
    names = [os.readlink(link) for link in Path("/proc/self/fd").iterdir() if link.exists()]
    return {Path(name).parent for name in names if name.endswith("cache.db")}


counts_open_files = pytest.mark.skipif(
    not Path("/proc/self/fd").exists(), reason="counts open files in /proc"
)


@counts_open_files
def test_the_number_of_open_caches_is_bounded_whatever_is_in_use(tmp_path):
    before = open_databases()
    with closing(CacheFolder(tmp_path / "cache", max_open=3)) as folder:
        caches = [folder.of(f"user {number}") for number in range(8)]
        with caches[0].transact():
            caches[0].set("k", 0)
            for number, cache in enumerate(caches[1:], 1):
                cache.set("k", number)
            assert len(open_databases() - before) <= 4  # the first is in use
        assert [cache.get("k") for cache in caches] == list(range(8))
        assert len(open_databases() - before) == 3
    assert open_databases() <= before


@counts_open_files
def test_the_cache_that_was_asked_for_longest_ago_is_closed_first(tmp_path):
    with closing(CacheFolder(tmp_path / "cache", max_open=2)) as folder:
        ann, ben = folder.of("ann"), folder.of("ben")
        ann.set("k", 1)
        ben.set("k", 1)
        folder.of("ann").get("k")
        folder.of("cem").set("k", 1)
        assert ann.path in open_databases()
        assert ben.path not in open_databases()


def test_a_closed_folder_stays_closed(folder, cache):
    cache.set("k", 1)
    folder.close()
    folder.close()
    for call in (lambda: cache.get("k"), lambda: folder.of("ann"), lambda: folder.of("ben")):
        with pytest.raises(CacheError, match="closed"):
            call()


@counts_open_files
def test_a_folder_closed_during_a_call_lets_it_end_and_then_closes_the_files(folder, cache):
    with cache.transact():
        cache.set("k", 1)
        in_thread(folder.close)
        assert cache.path in open_databases()
    assert cache.path not in open_databases()
    with pytest.raises(CacheError, match="closed"):
        cache.get("k")
    assert another(cache).get("k") == 1


def test_the_default_folder_is_the_users_own(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    path = CacheFolder().path
    assert path.name == "syncsim"
    assert tmp_path in path.parents
