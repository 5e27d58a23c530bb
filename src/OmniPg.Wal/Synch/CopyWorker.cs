using System.Globalization;

namespace OmniPg.Wal;

/// <summary>Fills one copy. All that happens there is done by a shell and by tar, here or behind the remote shell.</summary>
internal sealed class CopyWorker(ClusterCopyTarget target, ClusterCopyOptions options, int pgVersion)
{
    /// <summary>Lies in each folder from before the first change to after the last: whose copy it is to be, and which call makes it.</summary>
    public const string Marker = ".omnipg-synch";

    // Written by the scripts: one word per folder, with the system identifier where there is one.
    private const string States =
        """
        set -u
        state() {
          if [ ! -e "$1" ] && [ ! -L "$1" ]; then if [ -d "$(dirname "$1")" ]; then echo absent; else echo orphan; fi; return; fi
          [ -d "$1" ] || { echo file; return; }
          list=$(ls -A "$1") || { echo unreadable; return; }
          if [ "$1" = "$data" ] && [ -e "$1/postmaster.pid" ]; then echo running; return; fi
          if [ -f "$1/.omnipg-synch" ]; then echo "begun $(cat "$1/.omnipg-synch")"; return; fi
          case $list in ""|lost+found) echo empty; return;; esac
          if [ "$1" = "$data" ]; then
            if [ -f "$1/PG_VERSION" ] && [ -f "$1/global/pg_control" ]; then echo "cluster $(od -A n -t u8 -N 8 "$1/global/pg_control" | tr -d " ")"; else echo other; fi
            return
          fi
          if [ "$(readlink "$data/pg_tblspc/$2")" = "$1" ]; then
            for e in "$1"/* "$1"/.[!.]*; do case ${e##*/} in "PG_${major}_"*|"*"|".[!.]*"|lost+found) ;; *) echo other; return;; esac; done
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
          echo "$mark" > "$1/.omnipg-synch" || exit 8
        }
        i=0
        for word in "$@"; do
          case $((i % 3)) in 0) oid=$word;; 1) folder=$word;; 2) one "$folder" "$oid" "$word";; esac
          i=$((i + 1))
        done
        while [ $# -gt 0 ]; do put "$2"; shift 3; done
        sync
        """;

    private const string Mine =
        """
        set -u
        major=$1; data=$2; mark=$3; shift 3
        mine() { [ "$(cat "$1/.omnipg-synch")" = "$mark" ] || { echo "another copy has begun there: $1" >&2; exit 7; }; }

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
        rm -f "$data/global/pg_control" || exit 8
        sync
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

    private const string ExtractScript = "exec tar -xpf - -C \"$1\"";

    private const string FinishScript = Mine +
        """
        mode=$1; owner=$2; suffix=$3; shift 3
        mine "$data"
        for file in backup_label backup_manifest "global/pg_control$suffix"; do [ -f "$data/$file" ] || { echo "it has no $file: $data" >&2; exit 7; }; done
        own() { [ "$(id -u)" != 0 ] || chown -h "$owner" "$1" || exit 8; }
        for word in "$@"; do
          case $word in
            /*) mine "$word"; chmod "$mode" "$word" || exit 8; own "$word"
                if [ "$word" != "$data" ]; then ln -s "$word" "$data/pg_tblspc/$oid" || exit 8; own "$data/pg_tblspc/$oid"; fi;;
            *) oid=$word;;
          esac
        done
        sync
        mine "$data"
        mv "$data/global/pg_control$suffix" "$data/global/pg_control" || exit 8
        while [ $# -gt 0 ]; do rm -f "$2/.omnipg-synch" || exit 8; shift 2; done
        sync
        """;

    private string[] _states = [];

    /// <summary>Why this copy failed; null while it has not.</summary>
    public Exception? Error { get; private set; }

    public ClusterCopyTarget Target => target;

    /// <summary>What each folder is now: a word, and the system identifier behind it where there is one.</summary>
    public async Task<string[]> LookAsync(CancellationToken cancellationToken)
    {
        var said = await RunAsync(LookScript, [.. Head, .. Pairs.Skip(2)], cancellationToken).ConfigureAwait(false);
        _states = said.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        return _states.Length == Target.Folders.Count ? _states : throw new InvalidDataException($"The shell answered '{said}' for '{Target.Folders.Count}' folders.");
    }

    /// <summary>Takes the folders for this call, when they are still what they were.</summary>
    public Task MarkAsync(string mark, string mode, CancellationToken cancellationToken) => TryAsync(
        token => RunAsync(MarkScript, [.. Head, mark, mode, .. Target.Folders.SelectMany((f, i) => (string[])[Oid(f), f.To, _states[i]])], token), cancellationToken);

    /// <summary>Gives them back untouched.</summary>
    public Task UnmarkAsync(string mark, CancellationToken cancellationToken) => TryAsync(token => RunAsync(UnmarkScript, [.. Head, mark, .. Pairs], token), cancellationToken);

    /// <summary>Removes what the plan says is removed.</summary>
    public Task ClearAsync(string mark, CancellationToken cancellationToken) => Target.Folders.Any(f => f.IsEmptied)
        ? TryAsync(token => RunAsync(ClearScript, [.. Head, mark, .. Target.Folders.Where(f => f.IsEmptied).SelectMany(f => (string[])[Oid(f), f.To])], token), cancellationToken)
        : Task.CompletedTask;

    /// <summary>Where the tar file of a folder goes.</summary>
    public CopyTarget Extractor(uint tablespace, string name)
    {
        var (program, arguments) = Command(ExtractScript, [Target.Folders.First(f => f.Tablespace == tablespace).To]);
        return new CopyTarget { Sink = new PipeObjectSink(program, arguments), Key = name, Codec = Codec.None, Id = Target.Location };
    }

    /// <summary>Flushes everything, and then gives the control file its name. For root the folders get the owner of the server's, as their files have it.</summary>
    public Task FinishAsync(string mark, string mode, string owner, CancellationToken cancellationToken) =>
        TryAsync(token => RunAsync(FinishScript, [.. Head, mark, mode, owner, TarExtractor.HeldBack, .. Pairs], token), cancellationToken);

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
