using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>One run of <c>pg_basebackup</c>. It speaks on standard error all the time, so it ends soon when nobody listens any more: a killed backup leaves none behind.</summary>
internal sealed partial class PgBaseBackupRun : IAsyncDisposable
{
    // KiB per second that the program takes (MAX_RATE_LOWER and MAX_RATE_UPPER, basebackup.h).
    private const long LeastRate = 32;
    private const long MostRate = 1048576;

    private readonly ExternalProcess _process;
    private readonly Words _words;

    private PgBaseBackupRun(ExternalProcess process, Words words) => (_process, _words) = (process, words);

    /// <summary>The tar file, where the program writes into a pipe.</summary>
    public Stream Output => _process.StandardOutput;

    /// <summary>How many pages the server found damaged, as far as it told so in English; at least 1 when there are any. Known at the end.</summary>
    public long DamagedPages { get; private set; }

    /// <param name="program">Path of the program.</param>
    /// <param name="folder">Where the tar files go; <c>-</c> for a pipe.</param>
    /// <param name="variables">The server, as the environment of libpq.</param>
    /// <param name="options">Of the backup.</param>
    /// <param name="includesWal">Whether the WAL is to be in the tar file.</param>
    /// <param name="log">Told every line of the program.</param>
    /// <exception cref="WalBackupException">It does not start.</exception>
    public static PgBaseBackupRun Start(string program, string folder, Dictionary<string, string?> variables, BaseBackupOptions options, bool includesWal, ILogger log)
    {
        var words = new Words(log);
        List<string> arguments =
        [
            $"--pgdata={folder}", "--format=tar", $"--wal-method={(includesWal ? "fetch" : "none")}", $"--checkpoint={(options.FastCheckpoint ? "fast" : "spread")}", $"--label={options.Label}",
            "--no-password", "--progress",
        ];
        if (folder != "-")
            arguments.Add("--no-sync");
        // A pipe is read no faster than that.
        if (folder != "-" && options.MaxRate is { } rate)
            arguments.Add(string.Create(CultureInfo.InvariantCulture, $"--max-rate={Math.Clamp(rate / 1024, LeastRate, MostRate)}k"));
        if (!options.VerifyPages)
            arguments.Add("--no-verify-checksums");
        // In words that can be told apart.
        var environment = new Dictionary<string, string?>(variables) { ["LC_ALL"] = "C", ["PG_COLOR"] = "never" };
        try
        {
            return new PgBaseBackupRun(ExternalProcess.Start(new ExternalProcessOptions { FileName = program, Arguments = arguments, Environment = environment, OnErrorLine = words.Take }), words);
        }
        catch (ExternalProcessException failure)
        {
            throw new WalBackupException("wal.backup.program", failure.Message, failure.Hint, failure);
        }
    }

    /// <summary>Ends it; its output ends with it.</summary>
    public void Kill() => _process.Kill();

    /// <summary>Waits for its end, once its output was read.</summary>
    /// <exception cref="WalBackupException">It failed.</exception>
    /// <exception cref="OperationCanceledException">Cancelled: it was ended.</exception>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        var ended = await _process.WaitAsync(cancellationToken).ConfigureAwait(false);
        cancellationToken.ThrowIfCancellationRequested();
        // All was sent by then, and is as it is on the server's disk (perform_base_backup, basebackup.c); the program says so after it has written the last byte (BaseBackup, pg_basebackup.c).
        if (ended.ExitCode == 1 && _words.IsDamaged)
            DamagedPages = _words.DamagedPages;
        else if (ended.ExitCode != 0)
            throw new WalBackupException("wal.backup.server", $"pg_basebackup ended with exit code '{ended.ExitCode}': {_words.Complaint}", HintOf(_words.Complaint));
    }

    public ValueTask DisposeAsync() => _process.DisposeAsync();

    private static string HintOf(string complaint) =>
        complaint.Contains("pg_hba.conf", StringComparison.Ordinal) ? "pg_hba.conf needs a line for the database 'replication', this role and this machine; then reload."
        : complaint.Contains("password", StringComparison.Ordinal) ? "Put the password into PGPASSWORD or a password file (.pgpass), where pg_basebackup finds it too."
        : complaint.Contains("max_wal_senders", StringComparison.Ordinal) ? "Raise 'max_wal_senders', or end another replication connection."
        : "Look into the server's log; begin again.";

    /// <summary>What the program says, without its progress.</summary>
    private sealed partial class Words(ILogger log)
    {
        private const int KeptLines = 8;
        private readonly Queue<string> _last = new();
        private long _warnings;
        private long _total;

        public bool IsDamaged { get; private set; }

        public long DamagedPages => Math.Max(1, Math.Max(_warnings, _total));

        public string Complaint
        {
            get
            {
                lock (_last)
                    return _last.Count > 0 ? string.Join(' ', _last) : "it ended without a word.";
            }
        }

        public void Take(string line)
        {
            // Each report of progress ends with a carriage return on a terminal, and with the line here.
            if (line.Length == 0 || Progress().IsMatch(line))
                return;
            BackupLog.ProgramSaid(log, line);
            lock (_last)
            {
                IsDamaged |= line.Contains("checksum error occurred", StringComparison.Ordinal);
                if (Total().Match(line) is { Success: true } total)
                    _total = long.Parse(total.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
                else if (line.Contains("checksum verification failed in file", StringComparison.Ordinal))
                    _warnings++;
                _last.Enqueue(line);
                if (_last.Count > KeptLines)
                    _last.Dequeue();
            }
        }

        [GeneratedRegex(@"^\s*\d+(/\d+)? kB( \(\d+%\))?, \d+(/\d+)? tablespaces?")]
        private static partial Regex Progress();

        [GeneratedRegex(@"(\d+) total checksum verification failures")]
        private static partial Regex Total();
    }
}
