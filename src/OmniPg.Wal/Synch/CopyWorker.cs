using System.Globalization;

namespace OmniPg.Wal;

/// <summary>Fills one copy. All that happens there is done by a shell and by tar, here or behind the remote shell.</summary>
/// <param name="target">The copy.</param>
/// <param name="options">How it is reached.</param>
/// <param name="pgVersion">Major version of the server.</param>
/// <param name="mark">First line of the marks: the system identifier, and a word of this copy alone. Two names of one folder show by it.</param>
internal sealed class CopyWorker(ClusterCopyTarget target, ClusterCopyOptions options, int pgVersion, string mark)
{
    // By syncfs(2) where there is a program for it: it tells what it could not write, and waits for no other file system.
    private const string Flush =
        """
        set -u
        flush() {
          if sync --help 2>&1 | grep -q -e -f; then sync -f "$1" || exit 8
          else sync; fi
        }

        """;

    // Written by the scripts: one word per folder, with the system identifier where there is one.
    private const string States = Flush +
        """
        inside() {
          up=$(cd -P "$1" && pwd -P) || return 1
          while [ "$up" != / ]; do
            [ ! -e "$up/PG_VERSION" ] || return 0
            up=$(dirname "$up")
          done
          return 1
        }
        mounted() {
          here=$(cd -P "$1" && pwd -P) || return 0
          if [ -r /proc/self/mountinfo ]; then cut -d " " -f 5 /proc/self/mountinfo | sed "s/^/:/" | grep -qF ":$(printf "%s/" "$here" | sed 's/\\/\\134/g; s/ /\\040/g')"
          else mount | grep -qF " on $here/"; fi
        }
        working() {
          sed 1,2d "$1/.omnipg-synch" | while read -r pid; do
            if [ -d /proc/self ]; then tr "\0" " " 2>/dev/null < "/proc/$pid/cmdline" | grep -q omnipg-synch && echo yes
            else kill -0 "$pid" 2>/dev/null && echo yes; fi
          done | grep -q yes
        }
        state() {
          if [ ! -e "$1" ] && [ ! -L "$1" ]; then
            above=$(dirname "$1")
            if [ ! -d "$above" ]; then echo orphan; elif inside "$above"; then echo inside; else echo absent; fi
            return
          fi
          [ -d "$1" ] || { echo file; return; }
          list=$(ls -A "$1") || { echo unreadable; return; }
          if inside "$1/.."; then echo inside; return; fi
          if [ "$1" = "$data" ] && [ -e "$1/postmaster.pid" ]; then echo running; return; fi
          if mounted "$1"; then echo mount; return; fi
          if [ -f "$1/.omnipg-synch" ] && { [ "$1" = "$data" ] || [ "$(sed -n 2p "$1/.omnipg-synch")" = "$data" ]; }; then
            if working "$1"; then echo working; else echo "begun $(head -n 1 "$1/.omnipg-synch")"; fi
            return
          fi
          case $list in ""|lost+found) echo empty; return;; esac
          if [ "$1" = "$data" ]; then
            if [ -f "$1/PG_VERSION" ] && [ -f "$1/global/pg_control" ]; then echo "cluster $(od -A n -t u8 -N 8 "$1/global/pg_control" | tr -d " ")"; else echo other; fi
            return
          fi
          if [ "$(readlink "$data/pg_tblspc/$2")" = "$1" ]; then
            for e in "$1"/* "$1"/.[!.]*; do case ${e##*/} in "PG_${major}_"*|"*"|".[!.]*"|lost+found|.omnipg-synch) ;; *) echo other; return;; esac; done
            echo own; return
          fi
          echo other
        }
        major=$1; data=$2; shift 2

        """;

    private const string LookScript = States +
        """
        state "$data" 0
        while [ $# -gt 0 ]; do state "$2" "$1"; shift 2; done
        """;

    // The states are those of the plan, or nothing is touched.
    private const string MarkScript = States +
        """
        mark=$1; mode=$2; shift 2
        one() {
          found=$(state "$1" "$2")
          case $found in
            "$3") ;;
            *) echo "it was $3 when the copy was planned, and is $found now: $1" >&2; exit 7;;
          esac
        }
        put() {
          if [ ! -e "$1" ]; then mkdir "$1" || exit 8; fi
          chmod "$mode" "$1" || exit 8
          # That of an earlier copy goes; one that came since the look stays.
          case $2 in begun*|own*) rm -f "$1/.omnipg-synch" || exit 8;; esac
          (set -C; printf "%s\n%s\n" "$mark" "$data" > "$1/.omnipg-synch") || { echo "another copy has begun there, or it takes no file: $1" >&2; exit 7; }
        }
        i=0
        for word in "$@"; do
          case $((i % 3)) in 0) oid=$word;; 1) folder=$word;; 2) one "$folder" "$oid" "$word";; esac
          i=$((i + 1))
        done
        while [ $# -gt 0 ]; do put "$2" "$3"; flush "$2"; shift 3; done
        """;

    private const string Mine = Flush +
        """
        major=$1; data=$2; mark=$3; shift 3
        mine() { [ "$(head -n 1 "$1/.omnipg-synch")" = "$mark" ] || { echo "another copy has begun there: $1" >&2; exit 7; }; }

        """;

    private const string UnmarkScript = Mine +
        """
        while [ $# -gt 0 ]; do mine "$2"; rm -f "$2/.omnipg-synch" || exit 8; shift 2; done
        """;

    // The control file first: what is left when this ends in the middle is no cluster that a server would start. What goes is moved aside under the name of this call, and removed there: a shell that outlives
    // its killed program would else remove what the next copy has brought by then.
    private const string ClearScript = Mine +
        """
        mine "$data"
        echo $$ >> "$data/.omnipg-synch" || exit 8
        rm -f "$data/global/pg_control" || exit 8
        flush "$data"
        take() {
          case ${1##*/} in .omnipg-synch|"${old##*/}"|lost+found) return 0;; esac
          [ -e "$1" ] || [ -L "$1" ] || return 0
          mine "$folder"
          mv "$1" "$old/" || exit 8
        }
        while [ $# -gt 0 ]; do
          folder=$2; old=$folder/.omnipg-synch-old-${mark##* }
          mine "$folder"
          mkdir "$old" || exit 8
          if [ "$folder" = "$data" ]; then for entry in "$folder"/* "$folder"/.[!.]* "$folder"/..?*; do take "$entry"; done
          else for entry in "$folder/PG_${major}_"* "$folder"/.omnipg-synch-old-*; do take "$entry"; done; fi
          rm -rf "$old" || exit 8
          shift 2
        done
        """;

    // The shell stays: its words tell a later look that this is still at work. A tar that cannot write goes on with the next file, and tells of each: it is ended at the first of which it says so, that the
    // other side need not read and send the rest. What it only warns of ends nothing, nor does a write that was cut short: the next one says why.
    private const string ExtractScript = Mine +
        """
        mine "$1"
        echo $$ >> "$1/.omnipg-synch" || exit 8
        if [ -n "${LC_ALL:-}" ]; then LC_CTYPE=$LC_ALL; export LC_CTYPE; unset LC_ALL; fi
        LC_MESSAGES=C; export LC_MESSAGES
        { sh -c 'echo "$$"; exec tar -xpf - -C "$1" 2>&1' sh "$1"; echo "end $?"; } 2>/dev/null | {
          read -r tar; code=8; first=; short=; fault=; lines=0
          while IFS= read -r line; do
            case $line in "end "*) code=${line#end }; continue;; esac
            [ "$lines" -gt 0 ] || first=$line
            lines=$((lines + 1))
            [ -z "$fault" ] || continue
            case $line in
              *arning:*) ;;
              *": Wrote only "*) short=${short:-$line};;
              *": Cannot "*|*": Can't "*|*": Write failed"*|*": No space left on device"*) fault=$line; kill "$tar" 2>/dev/null;;
            esac
          done
          [ "$code" = 0 ] && exit 0
          echo "${fault:-${short:-$first}}" >&2
          [ "$lines" -lt 2 ] || echo "further lines: $((lines - 1))" >&2
          [ -z "$fault" ] || exit 8
          exit "$code"
        }
        """;

    private const string FinishScript = Mine +
        """
        mode=$1; owner=$2; suffix=$3; shift 3
        mine "$data"
        for file in backup_label backup_manifest "global/pg_control$suffix"; do [ -f "$data/$file" ] || { echo "it has no $file: $data" >&2; exit 7; }; done
        own() { [ "$(id -u)" != 0 ] || chown -h "$owner" "$1" || exit 8; }
        for word in "$@"; do
          case $word in
            /*) mine "$word"; chmod "$mode" "$word" || exit 8; own "$word"
                if [ "$word" != "$data" ]; then ln -s "$word" "$data/pg_tblspc/$oid" || exit 8; own "$data/pg_tblspc/$oid"; flush "$word"; fi;;
            *) oid=$word;;
          esac
        done
        flush "$data"
        mine "$data"
        mv "$data/global/pg_control$suffix" "$data/global/pg_control" || exit 8
        while [ $# -gt 0 ]; do { rm -f "$2/.omnipg-synch" && (flush "$2"); } || exit 9; shift 2; done
        """;

    private string[] _states = [];

    /// <summary>Why this copy failed; null while it has not.</summary>
    public Exception? Error { get; private set; }

    /// <summary>Whether this copy failed at or after the step by which a server would start on it: the script says by its exit code that it ended before, a remote shell that broke off says nothing.</summary>
    public bool MayBeCluster { get; private set; }

    public ClusterCopyTarget Target => target;

    public string Mark => mark;

    /// <summary>What each folder is now: a word, and the system identifier behind it where there is one.</summary>
    public async Task<string[]> LookAsync(CancellationToken cancellationToken)
    {
        var said = await RunAsync(LookScript, [.. Head, .. Pairs.Skip(2)], cancellationToken).ConfigureAwait(false);
        _states = said.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return _states.Length == Target.Folders.Count ? _states : throw new InvalidDataException($"The shell answered '{said}' for '{Target.Folders.Count}' folders.");
    }

    /// <summary>Takes the folders for this call, when they are still what they were.</summary>
    public Task MarkAsync(string mode, CancellationToken cancellationToken) => TryAsync(
        token => RunAsync(MarkScript, [.. Head, mark, mode, .. Target.Folders.SelectMany((f, i) => (string[])[Oid(f), f.To, _states[i]])], token), cancellationToken);

    /// <summary>Gives them back untouched.</summary>
    public Task UnmarkAsync(CancellationToken cancellationToken) => TryAsync(token => RunAsync(UnmarkScript, [.. Head, mark, .. Pairs], token), cancellationToken);

    /// <summary>Removes what the plan says is removed.</summary>
    public Task ClearAsync(CancellationToken cancellationToken) => Target.Folders.Any(f => f.IsEmptied)
        ? TryAsync(token => RunAsync(ClearScript, [.. Head, mark, .. Target.Folders.Where(f => f.IsEmptied).SelectMany(f => (string[])[Oid(f), f.To])], token), cancellationToken)
        : Task.CompletedTask;

    /// <summary>Where the tar file of a folder goes.</summary>
    public CopyTarget Extractor(uint tablespace, string name)
    {
        var (program, arguments) = Command(ExtractScript, [.. Head, mark, Target.Folders.First(f => f.Tablespace == tablespace).To]);
        return new CopyTarget { Sink = new PipeObjectSink(program, arguments), Key = name, Codec = Codec.None, Id = Target.Location };
    }

    /// <summary>Flushes everything, and then gives the control file its name. For root the folders get the owner of the server's, as their files have it.</summary>
    public async Task FinishAsync(string mode, string owner, CancellationToken cancellationToken)
    {
        await TryAsync(token => RunAsync(FinishScript, [.. Head, mark, mode, owner, TarExtractor.HeldBack, .. Pairs], token), cancellationToken).ConfigureAwait(false);
        MayBeCluster = Error is not (null or ExternalProcessException { Result.ExitCode: 7 or 8 });
    }

    public void Fail(Exception error) => Error ??= error;

    private string[] Head => [pgVersion.ToString(CultureInfo.InvariantCulture), Target.Folders[0].To];

    private IEnumerable<string> Pairs => Target.Folders.SelectMany(f => (string[])[Oid(f), f.To]);

    private static string Oid(ClusterCopyFolder folder) => folder.Tablespace.ToString(CultureInfo.InvariantCulture);

    private async Task TryAsync(Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        try
        {
            await work(cancellationToken).ConfigureAwait(false);
        }
        catch (Exception failure) when (failure is not OperationCanceledException)
        {
            Fail(failure);
        }
    }

    private Task<string> RunAsync(string script, IEnumerable<string> words, CancellationToken cancellationToken)
    {
        var (program, arguments) = Command(script, words);
        return ExternalProcess.RunAsync(new ExternalProcessOptions { FileName = program, Arguments = arguments }, cancellationToken);
    }

    // The remote shell joins its words with blanks and hands them to the shell of the account: one word, quoted for that.
    private (string Program, string[] Arguments) Command(string script, IEnumerable<string> words) => Target.Place.Host is { } host
        ? (options.RemoteShell, [host, string.Join(' ', ((string[])["exec", "sh", "-c", Quote(script), "omnipg-synch"]).Concat(words.Select(Quote)))])
        : ("/bin/sh", ["-c", script, "omnipg-synch", .. words]);

    private static string Quote(string word) => $"'{word.Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
