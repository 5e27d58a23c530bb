using System.Collections.Immutable;
using Npgsql;

namespace OmniPg.Testing;

/// <summary>A throw-away PostgreSQL server for tests, samples and benchmarks; everything of it is gone after disposal.</summary>
/// <remarks>
/// Order of discovery: the server of <c>OMNIPG_TEST_CONNECTION</c>; programs named by <c>OMNIPG_PG_BIN</c>; installed programs, highest version
/// first; programs fetched with the npm client; a container where a container engine runs; else an error that says what to install.
/// Members that need the server as a process of this machine throw <see cref="InvalidOperationException"/> for the first and the last kind.
/// </remarks>
public sealed class PgCluster : IAsyncDisposable
{
    private readonly IPgServer _server;
    private int _databases;

    private PgCluster(IPgServer server, int majorVersion)
    {
        (_server, MajorVersion) = (server, majorVersion);
        DataSource = NpgsqlDataSource.Create(server.ConnectionString);
    }

    /// <summary>Connection string of the superuser <c>postgres</c> for the database <c>postgres</c>.</summary>
    public string ConnectionString => _server.ConnectionString;

    /// <summary>Data source of <see cref="ConnectionString"/>; lives as long as the cluster.</summary>
    public NpgsqlDataSource DataSource { get; }

    /// <summary>Major version of the server, such as 15.</summary>
    public int MajorVersion { get; }

    /// <summary>TCP port on 127.0.0.1.</summary>
    public int Port => Local.Port;

    /// <summary>Process id of the postmaster.</summary>
    public int ProcessId => Local.ProcessId;

    /// <summary>Whether the server runs; one that is no process of this machine counts as running.</summary>
    public bool IsRunning => _server.Process?.IsRunning ?? true;

    /// <summary>The data directory.</summary>
    public string DataDirectory => Local.DataDirectory;

    /// <summary>Directory of the server programs.</summary>
    public string BinDirectory => Local.Installation.BinDirectory;

    /// <summary>The installation that runs.</summary>
    public PgInstallation Installation => Local.Installation;

    /// <summary>A directory of this cluster, writable for the server's account, beside the data directory.</summary>
    public string RootDirectory => Local.Root;

    private ProcessServer Local => _server.Process
        ?? throw new InvalidOperationException("This test needs PostgreSQL server programs on this machine; install them or set OMNIPG_PG_BIN.");

    /// <summary>Starts a server.</summary>
    /// <param name="options">What kind; <see langword="null"/> takes the defaults.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    /// <returns>The running server.</returns>
    /// <exception cref="InvalidOperationException">There is no PostgreSQL to be had here, or it did not start; the message holds its log.</exception>
    public static async Task<PgCluster> StartAsync(PgClusterOptions? options = null, CancellationToken cancellationToken = default)
    {
        options ??= new PgClusterOptions();
        return await FirstConnectionAsync(await DiscoverAsync(options, cancellationToken), cancellationToken);
    }

    /// <summary>Uses a server that somebody else runs and leaves it as it is, without the databases made here.</summary>
    /// <param name="connectionString">Connection string of a superuser of it.</param>
    /// <param name="cancellationToken">Cancels the first connection.</param>
    /// <returns>The server.</returns>
    public static Task<PgCluster> AttachAsync(string connectionString, CancellationToken cancellationToken = default) =>
        FirstConnectionAsync(new ExternalServer(connectionString), cancellationToken);

    /// <summary>Starts a server of one major version with default options.</summary>
    /// <param name="majorVersion">Such as 17.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    /// <returns>The running server.</returns>
    public static Task<PgCluster> StartAsync(int majorVersion, CancellationToken cancellationToken = default) =>
        StartAsync(new PgClusterOptions { Version = majorVersion }, cancellationToken);

    /// <summary>Connection string for another database or role.</summary>
    /// <param name="database">Database name; <see langword="null"/> keeps <c>postgres</c>.</param>
    /// <param name="user">Role name; <see langword="null"/> keeps the superuser.</param>
    /// <returns>The connection string.</returns>
    public string GetConnectionString(string? database = null, string? user = null)
    {
        var builder = new NpgsqlConnectionStringBuilder(ConnectionString);
        builder.Database = database ?? builder.Database;
        builder.Username = user ?? builder.Username;
        return builder.ConnectionString;
    }

    /// <summary>Creates a database that is dropped when it is disposed.</summary>
    /// <param name="name">Any name; <see langword="null"/> makes a fresh one.</param>
    /// <param name="template">Database to copy; <see langword="null"/> copies <c>template1</c>.</param>
    /// <param name="cancellationToken">Cancels the creation.</param>
    /// <returns>The database.</returns>
    public async Task<TestDatabase> CreateDatabaseAsync(string? name = null, string? template = null, CancellationToken cancellationToken = default)
    {
        name ??= $"test_{Interlocked.Increment(ref _databases)}_{Path.GetRandomFileName()[..6]}";
        // As before 15: half the work of the way through the log, which is made for templates larger than these.
        var strategy = MajorVersion >= 15 ? " STRATEGY file_copy" : "";
        var source = template is null ? "" : $" TEMPLATE {TestDatabase.Quote(template)}";
        await ExecuteAsync($"CREATE DATABASE {TestDatabase.Quote(name)}{source}{strategy}", cancellationToken);
        return new TestDatabase(this, name);
    }

    /// <summary>Runs statements in the database <c>postgres</c>, outside of any transaction block.</summary>
    /// <param name="sql">One statement.</param>
    /// <param name="cancellationToken">Cancels the statement.</param>
    /// <returns>A task that ends with the statement.</returns>
    public async Task ExecuteAsync(string sql, CancellationToken cancellationToken = default)
    {
        await using var command = Unhurried(DataSource, sql);
        await command.ExecuteNonQueryAsync(cancellationToken);
    }

    /// <summary>Reads one value from the database <c>postgres</c>.</summary>
    /// <typeparam name="T">Type of the value.</typeparam>
    /// <param name="sql">A query of one row and one column.</param>
    /// <param name="cancellationToken">Cancels the query.</param>
    /// <returns>The value.</returns>
    public async Task<T> ScalarAsync<T>(string sql, CancellationToken cancellationToken = default)
    {
        await using var command = Unhurried(DataSource, sql);
        return (T)(await command.ExecuteScalarAsync(cancellationToken))!;
    }

    // Databases are made and dropped behind checkpoints, which take what a busy disk takes: nothing is tested by how long.
    internal static NpgsqlCommand Unhurried(NpgsqlDataSource dataSource, string sql)
    {
        var command = dataSource.CreateCommand(sql);
        command.CommandTimeout = 300;
        return command;
    }

    /// <summary>Stops the server and waits until it is gone; its files stay.</summary>
    /// <param name="mode">How.</param>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>A task that ends with the server.</returns>
    public async Task StopAsync(PgShutdown mode = PgShutdown.Fast, CancellationToken cancellationToken = default)
    {
        await Local.StopAsync(mode == PgShutdown.Fast ? PgShutdownSignal.Fast : PgShutdownSignal.Immediate, cancellationToken);
        DataSource.Clear();
    }

    /// <summary>Starts the stopped server again, on the same port.</summary>
    /// <param name="settings">More settings for this run.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    /// <returns>A task that ends when the server answers.</returns>
    public Task StartAgainAsync(IReadOnlyDictionary<string, string>? settings = null, CancellationToken cancellationToken = default)
    {
        // However it ended: by itself it leaves connections to what is gone in the pool.
        DataSource.Clear();
        return Local.RunAsync(settings ?? ImmutableDictionary<string, string>.Empty, cancellationToken);
    }

    /// <summary>Stops and starts the server.</summary>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>A task that ends when the server answers again.</returns>
    public async Task RestartAsync(CancellationToken cancellationToken = default)
    {
        await StopAsync(PgShutdown.Fast, cancellationToken);
        await StartAgainAsync(null, cancellationToken);
    }

    /// <summary>Ends the server and all of its children with SIGKILL.</summary>
    public void KillHard()
    {
        Local.KillHard();
        DataSource.Clear();
    }

    /// <summary>Waits until the server has ended by itself.</summary>
    /// <param name="cancellationToken">Cancels the wait.</param>
    /// <returns>A task that ends with the server.</returns>
    public Task WaitForExitAsync(CancellationToken cancellationToken = default) => Local.WaitForExitAsync(cancellationToken);

    /// <summary>Everything the server has logged so far, over all of its runs.</summary>
    /// <returns>The text.</returns>
    public string ReadLog() => Local.ReadLog();

    /// <summary>What the server was sent that is no SQL, with the first line of the statement; a test that sends such on purpose uses the word <c>nonsense</c> there.</summary>
    /// <returns>The log's lines; none for a server that is no process of this machine.</returns>
    public IReadOnlyList<string> ReadSyntaxErrors()
    {
        var lines = (_server.Process?.ReadLog() ?? "").Split('\n');
        return [.. lines.Zip(lines.Skip(1), static (error, statement) => (error, statement)).Where(static told =>
            told.error.Contains("ERROR:  syntax error at", StringComparison.Ordinal) && !(told.error + told.statement).Contains("nonsense", StringComparison.Ordinal))
            .Select(static told => $"{told.error} {told.statement}")];
    }

    /// <summary>Runs a program of this installation under the server's account.</summary>
    /// <param name="name">Program name, such as <c>psql</c>.</param>
    /// <param name="arguments">Its arguments.</param>
    /// <returns>Exit code and outputs.</returns>
    public Task<ProgramResult> RunProgramAsync(string name, params string[] arguments) =>
        ServerProgram.RunAsync(Installation.Program(name), arguments, RootDirectory, Xunit.TestContext.Current.CancellationToken);

    /// <summary>Stops the server and deletes its files.</summary>
    /// <returns>A task that ends when nothing is left.</returns>
    public async ValueTask DisposeAsync()
    {
        await DataSource.DisposeAsync();
        await _server.DisposeAsync();
    }

    private static async Task<PgCluster> FirstConnectionAsync(IPgServer server, CancellationToken cancellationToken)
    {
        try
        {
            await using var probe = NpgsqlDataSource.Create(server.ConnectionString);
            await using var connection = await probe.OpenConnectionAsync(cancellationToken);
            return new PgCluster(server, connection.PostgreSqlVersion.Major);
        }
        catch
        {
            await server.DisposeAsync();
            throw;
        }
    }

    private static async Task<IPgServer> DiscoverAsync(PgClusterOptions options, CancellationToken cancellationToken)
    {
        if (options.Installation is { } given)
            return await ProcessServer.StartAsync(given, options, cancellationToken);
        if (options.Version is null && Environment.GetEnvironmentVariable("OMNIPG_TEST_CONNECTION") is { Length: > 0 } connectionString)
            return new ExternalServer(connectionString);
        var installation = options.Version is { } version
            ? await PgInstallations.TryGetAsync(version, cancellationToken)
            : PgInstallations.Find() is [var best, ..] ? best : await PgInstallations.TryGetAsync(17, cancellationToken);
        if (installation is not null)
            return await ProcessServer.StartAsync(installation, options, cancellationToken);
        return await ContainerServer.StartAsync(options, cancellationToken);
    }
}
