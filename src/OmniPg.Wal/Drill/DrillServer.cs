using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// The server of a drill, a child of this process. What keeps it harmless stands on its command line, which no file of the copy and no ALTER SYSTEM
/// outranks; it reads a configuration of its own, because the old one may lie elsewhere, include files that are not here, or name another data directory.
/// </summary>
internal sealed class DrillServer : IAsyncDisposable
{
    private const string Port = "5432";
    private const string PreloadSetting = "shared_preload_libraries";
    private const int InterruptSignal = 2;
    private const int LongestSocketPath = 107;
    private const int FirstWithEventTriggers = 17;

    // A child that may not take its time: the copy is thrown away.
    private static readonly TimeSpan StopLimit = TimeSpan.FromSeconds(60);

    private readonly ExternalProcess _process;
    private readonly ServerWords _words;
    private readonly Task _ended;
    private readonly string _folder;
    private readonly string _user;
    private readonly int _version;
    private readonly List<NpgsqlDataSource> _sources = [];

    private DrillServer(ExternalProcess process, ServerWords words, string folder, string user, int version)
    {
        (_process, _words, _folder, _user, _version) = (process, words, folder, user, version);
        _ended = EndAsync();
    }

    /// <summary>Whether a setting is the drill's own to set. A library may be preloaded: WAL of its own needs it.</summary>
    public static bool IsFixed(string name) =>
        !name.Equals(PreloadSetting, StringComparison.OrdinalIgnoreCase)
        && (Own("", "").Any(s => s.Name.Equals(name, StringComparison.OrdinalIgnoreCase)) || RecoverySettings.Harmless(int.MaxValue).Any(s => s.Name.Equals(name, StringComparison.OrdinalIgnoreCase)));

    /// <summary>Starts the server and waits until it lets somebody in, or ends.</summary>
    /// <param name="program">Path of <c>postgres</c>.</param>
    /// <param name="scratch">The folder with the copy.</param>
    /// <param name="options">Of the drill.</param>
    /// <param name="version">Major version.</param>
    /// <param name="log">Told every line of the server.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>The server, or why its recovery ended without letting anybody in.</returns>
    /// <exception cref="WalDrillException">It did not come as far as its recovery, or the disk was full.</exception>
    public static async Task<(DrillServer? Server, string? Reason)> StartAsync(
        string program, DrillScratch scratch, RestoreDrillOptions options, int version, ILogger log, CancellationToken cancellationToken)
    {
        if (scratch.Root.Length + "/.s.PGSQL.".Length + Port.Length > LongestSocketPath)
            throw WalDrillException.Scratch(scratch.Root, "its path is too long for the server's socket.");
        var words = new ServerWords(log);
        var process = Launch(program, scratch, options, version, words);
        var server = new DrillServer(process, words, scratch.Root, options.User, version);
        try
        {
            await Task.WhenAny(words.Ready, server._ended).WaitAsync(cancellationToken).ConfigureAwait(false);
            // The last words come through the pipe; both may be there.
            if (words.Ready.IsCompletedSuccessfully)
                return (server, null);
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        await server.DisposeAsync().ConfigureAwait(false);
        if (words.LackOfRoom is { } full)
            throw WalDrillException.Scratch(scratch.Root, full);
        return words.BeganRecovery ? (null, words.Complaint) : throw WalDrillException.Server(words.Complaint);
    }

    /// <summary>The first line by which the server, or the restore command, said that the disk is full; what it found until then says nothing about the backup.</summary>
    public string? LackOfRoom => _words.LackOfRoom;

    /// <summary>Opens a session as the cluster's superuser in which nothing of the database's own runs or reaches out.</summary>
    public async Task<NpgsqlConnection> ConnectAsync(string database, CancellationToken cancellationToken)
    {
        // What a role or a database is given by ALTER … SET ranks below what a client asks for. Nobody else works here: a lock that is not free at once is one of a
        // prepared transaction, which nobody will end.
        var options = "-c session_preload_libraries= -c local_preload_libraries= -c session_replication_role=replica -c statement_timeout=0 -c lock_timeout=5s -c idle_in_transaction_session_timeout=0"
            + (_version >= FirstWithEventTriggers ? " -c event_triggers=off" : "");
        var text = new NpgsqlConnectionStringBuilder
        {
            Host = _folder,
            Port = int.Parse(Port, CultureInfo.InvariantCulture),
            Database = database,
            Username = _user,
            Options = options,
            Pooling = false,
            CommandTimeout = 0,
        };
        // The catalogue of types may be what is damaged.
        var builder = new NpgsqlSlimDataSourceBuilder(text.ConnectionString).ConfigureTypeLoading(static types => types.EnableTypeLoading(false));
        var source = builder.Build();
        _sources.Add(source);
        return await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Shuts the server down.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var source in _sources)
            await source.DisposeAsync().ConfigureAwait(false);
        if (!OperatingSystem.IsWindows() && !_ended.IsCompleted)
        {
            _ = Posix.Kill(_process.Id, InterruptSignal);
            try
            {
                await _ended.WaitAsync(StopLimit).ConfigureAwait(false);
            }
            catch (TimeoutException)
            {
                // Killed below.
            }
        }

        await _process.DisposeAsync().ConfigureAwait(false);
    }

    private static ExternalProcess Launch(string program, DrillScratch scratch, RestoreDrillOptions options, int version, ServerWords words)
    {
        foreach (var (file, content) in ((string, string)[])[("postgresql.conf", ""), ("pg_hba.conf", "local all all trust\n"), ("pg_ident.conf", "")])
            File.WriteAllText(Path.Combine(scratch.Root, file), content);
        List<string> arguments = ["-D", scratch.Data];
        foreach (var (name, value) in options.Settings)
            arguments.AddRange(["-c", $"{name}={value}"]);
        var preloads = options.Settings.Keys.Any(k => k.Equals(PreloadSetting, StringComparison.OrdinalIgnoreCase));
        // The last one counts.
        foreach (var (name, value) in RecoverySettings.Harmless(version).Where(s => !(preloads && s.Name == PreloadSetting)).Concat(Own(scratch.Root, scratch.Data)))
            arguments.AddRange(["-c", $"{name}={value}"]);
        if (!OperatingSystem.IsWindows() && Posix.EffectiveUser() == 0)
        {
            // The server refuses to run as root, and needs to own its data directory.
            var (user, group) = FileStat.OwnerOf(Path.Combine(scratch.Data, "PG_VERSION"));
            arguments.InsertRange(0, [$"--reuid={user}", $"--regid={group}", "--clear-groups", "--", program]);
            program = "setpriv";
        }

        try
        {
            return ExternalProcess.Start(new ExternalProcessOptions
            {
                FileName = program,
                Arguments = arguments,
                WorkingDirectory = scratch.Root,
                Environment = new Dictionary<string, string?> { ["PGDATA"] = null },
                OnErrorLine = words.Take,
            });
        }
        catch (ExternalProcessException failure)
        {
            throw WalDrillException.Server(failure.Message, failure);
        }
    }

    // One connection after another; enough for prepared transactions of any cluster, which recovery has to take up.
    private static (string Name, string Value)[] Own(string folder, string data) =>
    [
        ("config_file", Path.Combine(folder, "postgresql.conf")), ("hba_file", Path.Combine(folder, "pg_hba.conf")), ("ident_file", Path.Combine(folder, "pg_ident.conf")),
        ("data_directory", data), ("unix_socket_directories", folder), ("unix_socket_permissions", "0700"), ("port", Port), ("max_connections", "20"),
        ("max_prepared_transactions", "1000"), ("autovacuum", "off"), ("dynamic_shared_memory_type", "mmap"), ("lc_messages", "C"), ("log_min_messages", "warning"),
        ("log_line_prefix", ""), ("restart_after_crash", "off"), ("ignore_checksum_failure", "off"), ("zero_damaged_pages", "off"), ("ignore_invalid_pages", "off"),
    ];

    private async Task EndAsync()
    {
        // Nothing is written there, but a full pipe would stop the server.
        await _process.StandardOutput.CopyToAsync(Stream.Null).ConfigureAwait(false);
        await _process.WaitAsync().ConfigureAwait(false);
    }

    /// <summary>What the server says, as far as it tells how it is getting on (<c>postmaster.c</c>, <c>xlogrecovery.c</c>).</summary>
    private sealed class ServerWords(ILogger log)
    {
        private const int Kept = 4;

        // ENOSPC and EDQUOT as strerror of the C library has them; the server's lc_messages is C.
        private static readonly string[] Full = ["No space left on device", "Disk quota exceeded"];
        private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Queue<string> _last = new();
        private string? _complaint;
        private string? _ofCommand;

        public Task Ready => _ready.Task;

        public bool BeganRecovery { get; private set; }

        public string? LackOfRoom { get; private set; }

        public string Complaint
        {
            get
            {
                lock (_last)
                    return _complaint ?? (_last.Count > 0 ? string.Join(' ', _last) : "it ended without a word.");
            }
        }

        public void Take(string line)
        {
            DrillLog.ServerSaid(log, line);
            if (line.Contains("database system is ready to accept connections", StringComparison.Ordinal))
                _ready.TrySetResult();
            lock (_last)
            {
                BeganRecovery |= line.Contains("database system was interrupted", StringComparison.Ordinal);
                if (Array.Exists(Full, word => line.Contains(word, StringComparison.Ordinal)))
                    LackOfRoom ??= line;
                if (line.StartsWith("FATAL:", StringComparison.Ordinal) || line.StartsWith("PANIC:", StringComparison.Ordinal))
                    _complaint ??= line.Contains("could not restore file", StringComparison.Ordinal) && _ofCommand is not null ? $"{line}: {_ofCommand}" : line;
                else if (!IsServers(line))
                    _ofCommand = line;
                _last.Enqueue(line);
                if (_last.Count > Kept)
                    _last.Dequeue();
            }
        }

        /// <summary>Whether the server itself says it, as <c>LOG:  …</c> or behind a tab; what a restore command writes comes through the same pipe.</summary>
        private static bool IsServers(string line)
        {
            var severity = line.IndexOf(":  ", StringComparison.Ordinal);
            return line.StartsWith('\t') || (severity > 0 && !line.AsSpan(0, severity).ContainsAnyExceptInRange('A', 'Z'));
        }
    }
}
