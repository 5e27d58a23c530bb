using Npgsql;

namespace OmniPg.Testing;

/// <summary>A real PgBouncer in front of a throw-away server, on a free port of 127.0.0.1; its files and process are gone after disposal.</summary>
/// <remarks>The program is that of <c>OMNIPG_PGBOUNCER</c>, else the one installed in the usual places.</remarks>
public sealed class PgBouncer : IAsyncDisposable
{
    // At once: the safe shutdown by SIGINT would wait for clients.
    private const int SigTerm = 15;
    private static readonly string[] UsualPlaces = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer", "/usr/local/bin/pgbouncer", "/opt/homebrew/bin/pgbouncer"];
    private static readonly TimeSpan StartLimit = TimeSpan.FromSeconds(20);

    private readonly TemporaryDirectory _directory;
    private readonly ServerLog _log;
    private readonly ServerProcess _process;
    private readonly ReservedPort _port;

    private PgBouncer(TemporaryDirectory directory, ServerLog log, ServerProcess process, ReservedPort port) =>
        (_directory, _log, _process, _port) = (directory, log, process, port);

    /// <summary>Path of the program; <see langword="null"/> when there is none here.</summary>
    public static string? Program { get; } = Environment.GetEnvironmentVariable("OMNIPG_PGBOUNCER") is { Length: > 0 } given
        ? given : Array.Find(UsualPlaces, File.Exists);

    /// <summary>TCP port on 127.0.0.1.</summary>
    public int Port => _port.Number;

    /// <summary>Starts a pooler for every database of a server.</summary>
    /// <param name="cluster">The server; it must trust connections of this machine.</param>
    /// <param name="mode"><c>transaction</c>, <c>session</c> or <c>statement</c>.</param>
    /// <param name="poolSize">Server connections for each database and role.</param>
    /// <param name="cancellationToken">Cancels the start.</param>
    /// <returns>The pooler, answering.</returns>
    /// <exception cref="InvalidOperationException">It did not start; the message holds its log.</exception>
    public static async Task<PgBouncer> StartAsync(PgCluster cluster, string mode = "transaction", int poolSize = 2, CancellationToken cancellationToken = default)
    {
        var directory = new TemporaryDirectory();
        var port = new ReservedPort();
        var settings = directory.Combine("pgbouncer.ini");
        await File.WriteAllTextAsync(
            settings,
            $"""
             [databases]
             * = host=127.0.0.1 port={cluster.Port}
             [pgbouncer]
             listen_addr = 127.0.0.1
             listen_port = {port.Number}
             unix_socket_dir =
             auth_type = trust
             auth_file = {directory.Combine("users")}
             pool_mode = {mode}
             default_pool_size = {poolSize}
             max_client_conn = 500
             ignore_startup_parameters = extra_float_digits
             admin_users = postgres
             """,
            cancellationToken);
        await File.WriteAllTextAsync(directory.Combine("users"), await UsersAsync(cluster, cancellationToken), cancellationToken);
        ServerAccount.Own(directory.Path);
        var log = new ServerLog(directory.Combine("server.log"));
        var pooler = new PgBouncer(directory, log, ServerProcess.Start(Program!, [settings], directory.Path, log), port);
        if (await pooler.AnswersAsync(cluster, cancellationToken))
            return pooler;
        var text = log.Read(0);
        await pooler.DisposeAsync();
        throw new InvalidOperationException($"PgBouncer did not start:\n{text}");
    }

    /// <summary>The same connection string through the pooler.</summary>
    /// <param name="connectionString">One of the server behind it.</param>
    /// <returns>The connection string.</returns>
    public string Through(string connectionString) => new NpgsqlConnectionStringBuilder(connectionString) { Host = "127.0.0.1", Port = Port }.ConnectionString;

    /// <summary>What it has logged so far.</summary>
    /// <returns>The text.</returns>
    public string ReadLog() => _log.Read(0);

    /// <summary>Ends the process and deletes its files.</summary>
    /// <returns>A task that ends when nothing is left.</returns>
    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            ServerAccount.Signal(_process.Id, SigTerm);
        await _process.WaitAsync(CancellationToken.None);
        _port.Dispose();
        _log.Dispose();
        _directory.Dispose();
    }

    // Without passwords: the server behind it trusts this machine.
    private static async Task<string> UsersAsync(PgCluster cluster, CancellationToken cancellationToken)
    {
        await using var command = cluster.DataSource.CreateCommand("SELECT string_agg(format('\"%s\" \"\"', replace(rolname, '\"', '\"\"')), E'\\n') FROM pg_roles");
        return (string)(await command.ExecuteScalarAsync(cancellationToken))! + "\n";
    }

    private async Task<bool> AnswersAsync(PgCluster cluster, CancellationToken cancellationToken)
    {
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!_process.HasExited)
        {
            try
            {
                await using var connection = new NpgsqlConnection(Through(cluster.ConnectionString) + ";Pooling=false;Timeout=5;No Reset On Close=true");
                await connection.OpenAsync(cancellationToken);
                return true;
            }
            catch (NpgsqlException) when (clock.Elapsed < StartLimit)
            {
                await Task.Delay(20, cancellationToken);
            }
        }
        return false;
    }
}
