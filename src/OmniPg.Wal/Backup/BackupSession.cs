using System.Data;
using System.Transactions;
using Npgsql;
using NpgsqlTypes;
using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>
/// The session that holds a backup open between <c>pg_backup_start</c> and <c>pg_backup_stop</c>. When it ends the server gives the backup up, so its loss ends
/// the work (<see cref="Lost"/>). It is asked every few seconds: that notices a loss, and no idle time-out of the role ends it.
/// </summary>
internal sealed class BackupSession : IAsyncDisposable
{
    private const int FirstRenamed = 15;
    private const long CopyLock = 0x6F70_672D_7379_6E63; // "opg-sync"
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(5);
    private readonly NpgsqlConnection _connection;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _lost = new();
    private readonly SemaphoreSlim _turn = new(1, 1);
    private CancellationTokenSource? _ending;
    private Task _beating = Task.CompletedTask;
    private bool _open;
    private bool _isLocked;

    private BackupSession(NpgsqlConnection connection, TimeProvider time) => (_connection, _time, PgVersion) = (connection, time, connection.PostgreSqlVersion.Major);

    /// <summary>Cancelled when the session is gone.</summary>
    public CancellationToken Lost => _lost.Token;

    public int PgVersion { get; }

    /// <summary>Opens it, outside of any transaction of the caller.</summary>
    public static async Task<BackupSession> OpenAsync(NpgsqlDataSource dataSource, TimeProvider time, CancellationToken cancellationToken)
    {
        using var outside = new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        try
        {
            var session = new BackupSession(await dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false), time);
            outside.Complete();
            return session;
        }
        catch (NpgsqlException error)
        {
            throw new WalBackupException("wal.backup.server", $"The server of the backup cannot be reached: {error.Message}", "See that it runs and lets this role in.", error);
        }
    }

    /// <summary>What the server says of itself.</summary>
    /// <exception cref="WalBackupException">The session is not one session: a transaction pooler stands between.</exception>
    public async Task<ServerFacts> AskAsync(CancellationToken cancellationToken)
    {
        var facts = await RowAsync(
            """
            SELECT c.system_identifier, pg_catalog.pg_is_in_recovery(), pg_catalog.current_setting('port')::int, pg_catalog.pg_backend_pid(),
                (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'data_directory'), pg_catalog.clock_timestamp(),
                (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'stats_temp_directory'), (SELECT a.last_archived_wal FROM pg_catalog.pg_stat_archiver a)
            FROM pg_catalog.pg_control_system() c
            """,
            r => (Backend: r.GetInt32(3), Facts: new ServerFacts((ulong)r.GetInt64(0), r.GetBoolean(1), r.GetInt32(2), TextOf(r, 4), r.GetFieldValue<DateTimeOffset>(5), TextOf(r, 6), TextOf(r, 7))),
            [],
            cancellationToken).ConfigureAwait(false);
        return facts.Backend == _connection.ProcessID
            ? facts.Facts
            : throw new WalBackupException("wal.backup.server", "The session goes through a pooler: each statement may meet another one of the server, and a backup needs one.", "Connect to the server itself.");
    }

    /// <summary>Takes the place of the one copy of a server that may be under way, until the end of the session.</summary>
    /// <returns>Whether it was free.</returns>
    public async Task<bool> TryLockAsync(CancellationToken cancellationToken)
    {
        _isLocked = await RowAsync("SELECT pg_catalog.pg_try_advisory_lock($1)", r => r.GetBoolean(0), [new() { Value = CopyLock }], cancellationToken).ConfigureAwait(false);
        // Such a lock is one of its database; the other session may be connected to another.
        return _isLocked && await RowAsync(
            """
            SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_locks l
                WHERE l.locktype = 'advisory' AND l.objsubid = 1 AND l.granted AND l.pid <> pg_catalog.pg_backend_pid()
                    AND (l.classid::bigint << 32) | l.objid::bigint = $1)
            """,
            r => r.GetBoolean(0),
            [new() { Value = CopyLock }],
            cancellationToken).ConfigureAwait(false);
    }

    /// <summary>Begins the backup: the server makes a checkpoint and writes whole pages from then on.</summary>
    public async Task<NpgsqlLogSequenceNumber> StartAsync(string label, bool isFast, CancellationToken cancellationToken)
    {
        var sql = PgVersion >= FirstRenamed ? "SELECT pg_catalog.pg_backup_start($1, $2)" : "SELECT pg_catalog.pg_start_backup($1, $2, false)";
        _open = true;
        var start = await RowAsync(sql, r => r.GetFieldValue<NpgsqlLogSequenceNumber>(0), [new() { Value = label }, new() { Value = isFast }], cancellationToken).ConfigureAwait(false);
        Watch();
        return start;
    }

    /// <summary>Whose session it is, and whether she may copy the cluster over a replication connection.</summary>
    public Task<(string Role, bool MayReplicate)> RoleAsync(CancellationToken cancellationToken) => RowAsync(
        "SELECT session_user::text, EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = session_user AND (r.rolreplication OR r.rolsuper))",
        r => (r.GetString(0), r.GetBoolean(1)),
        [],
        cancellationToken);

    /// <summary>The tablespaces besides the cluster's own two; the folder of one in place is relative.</summary>
    public async Task<IReadOnlyList<BackupTablespace>> TablespacesAsync(CancellationToken cancellationToken)
    {
        var found = new List<BackupTablespace>();
        await ReadAsync(
            "SELECT t.oid, pg_catalog.pg_tablespace_location(t.oid) FROM pg_catalog.pg_tablespace t WHERE t.spcname NOT IN ('pg_default', 'pg_global') ORDER BY 1",
            async reader =>
            {
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    found.Add(new BackupTablespace(reader.GetFieldValue<uint>(0), reader.GetString(1)));
                return true;
            },
            [],
            cancellationToken).ConfigureAwait(false);
        return found;
    }

    /// <summary>What the server's clock says.</summary>
    public Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken) => RowAsync("SELECT pg_catalog.clock_timestamp()", r => r.GetFieldValue<DateTimeOffset>(0), [], cancellationToken);

    /// <summary>The server as a client program is told it.</summary>
    /// <param name="role">Whose session it is.</param>
    /// <param name="password">Her password; null leaves what the environment and the password file say.</param>
    /// <exception cref="WalBackupException">The connection has a setting that libpq knows no variable for.</exception>
    public Dictionary<string, string?> Variables(string role, string? password)
    {
        // The one of several hosts that was reached. Settings of this session are none of a walsender.
        var connection = new NpgsqlConnectionStringBuilder(_connection.ConnectionString)
        {
            Host = _connection.Host, Port = _connection.Port, Username = role, Options = null, TargetSessionAttributes = null,
        };
        if (LibpqVariables.Lacking(connection) is var (setting, hint))
            throw new WalBackupException("wal.backup.server", $"The connection setting '{setting}' cannot be given to pg_basebackup.", hint);
        var variables = LibpqVariables.Of(connection, password);
        if (password is null)
            variables.Remove("PGPASSWORD");
        return variables;
    }

    /// <summary>Asks the server every few seconds from now on whether it is still there.</summary>
    public void Watch()
    {
        _ending = new CancellationTokenSource();
        _beating = BeatAsync(_ending.Token);
    }

    /// <summary>How the server lays out its files, and whether it makes WAL summaries.</summary>
    public Task<(int BlockBytes, uint FileBlocks, bool IsSummarizing)> LayoutAsync(CancellationToken cancellationToken) => RowAsync(
        "SELECT i.database_block_size, i.blocks_per_segment, coalesce(pg_catalog.current_setting('summarize_wal', true)::boolean, false) FROM pg_catalog.pg_control_init() i",
        r => (r.GetInt32(0), (uint)r.GetInt32(1), r.GetBoolean(2)),
        [],
        cancellationToken);

    /// <summary>The WAL summaries of a timeline that tell of something between two positions, in order.</summary>
    public async Task<IReadOnlyList<WalSummary>> SummariesAsync(uint timeline, NpgsqlLogSequenceNumber from, NpgsqlLogSequenceNumber to, CancellationToken cancellationToken)
    {
        var found = new List<WalSummary>();
        await ReadAsync(
            "SELECT s.start_lsn, s.end_lsn FROM pg_catalog.pg_available_wal_summaries() s WHERE s.tli = $1 AND s.end_lsn > $2 AND s.start_lsn < $3 ORDER BY 1, 2",
            async reader =>
            {
                while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
                    found.Add(new WalSummary(timeline, reader.GetFieldValue<NpgsqlLogSequenceNumber>(0), reader.GetFieldValue<NpgsqlLogSequenceNumber>(1)));
                return true;
            },
            [new() { Value = (long)timeline }, Position(from), Position(to)],
            cancellationToken).ConfigureAwait(false);
        return found;
    }

    /// <summary>Reads one summary.</summary>
    public Task ReadSummaryAsync(WalSummary summary, ChangedBlocks changed, CancellationToken cancellationToken) => ReadAsync(
        "SELECT c.reltablespace, c.reldatabase, c.relfilenode, c.relforknumber, c.relblocknumber, c.is_limit_block FROM pg_catalog.pg_wal_summary_contents($1, $2, $3) c",
        async reader =>
        {
            while (await reader.ReadAsync(cancellationToken).ConfigureAwait(false))
            {
                var fork = new RelationFork(reader.GetFieldValue<uint>(0), reader.GetFieldValue<uint>(1), reader.GetFieldValue<uint>(2), reader.GetInt16(3));
                if (reader.GetBoolean(5))
                    changed.AddLimit(fork, (uint)reader.GetInt64(4));
                else
                    changed.Add(fork, (uint)reader.GetInt64(4));
            }

            return true;
        },
        [new() { Value = (long)summary.Timeline }, Position(summary.Start), Position(summary.End)],
        cancellationToken);

    /// <summary>Ends the backup without waiting for archiving.</summary>
    public async Task<BackupEnd> StopAsync(CancellationToken cancellationToken)
    {
        // The third column is null where there is no tablespace.
        var sql = "SELECT b.lsn, b.labelfile, b.spcmapfile, pg_catalog.clock_timestamp() FROM "
            + (PgVersion >= FirstRenamed ? "pg_catalog.pg_backup_stop(false) b" : "pg_catalog.pg_stop_backup(false, false) b");
        var end = await RowAsync(
            sql,
            r => new BackupEnd(r.GetFieldValue<NpgsqlLogSequenceNumber>(0), r.GetString(1), TextOf(r, 2) ?? "", r.GetFieldValue<DateTimeOffset>(3)),
            [],
            cancellationToken).ConfigureAwait(false);
        _open = false;
        return end;
    }

    /// <summary>The failure of work that ended because the session did.</summary>
    public static WalBackupException LostDuring(Exception? inner = null) => new(
        "wal.backup.session-lost", "The session that held the backup open has ended; the server has given the backup up.", "Begin again; look into the server's log for the reason.", inner);

    public async ValueTask DisposeAsync()
    {
        if (_ending is not null)
            await _ending.CancelAsync().ConfigureAwait(false);
        await _beating.ConfigureAwait(false);
        // The connection goes back to a pool and lives on: what was begun in it has to be ended.
        await EndAsync(_open, () => StopAsync(CancellationToken.None)).ConfigureAwait(false);
        await EndAsync(_isLocked, () => RowAsync("SELECT pg_catalog.pg_advisory_unlock($1)", static r => r.GetBoolean(0), [new() { Value = CopyLock }], CancellationToken.None)).ConfigureAwait(false);
        await _connection.DisposeAsync().ConfigureAwait(false);
        _ending?.Dispose();
        _turn.Dispose();
        _lost.Dispose();
    }

    private async Task EndAsync(bool isNeeded, Func<Task> end)
    {
        try
        {
            if (isNeeded && _connection.State == ConnectionState.Open)
                await end().ConfigureAwait(false);
        }
        catch (WalBackupException)
        {
            // It never began, or the session is gone, and the backup with it.
        }
    }

    private async Task BeatAsync(CancellationToken ending)
    {
        try
        {
            while (true)
            {
                await Task.Delay(Heartbeat, _time, ending).ConfigureAwait(false);
                await RowAsync("SELECT 1", static r => r.GetInt32(0), [], ending).ConfigureAwait(false);
            }
        }
        catch (OperationCanceledException)
        {
            // The backup has ended.
        }
        catch (WalBackupException)
        {
            await _lost.CancelAsync().ConfigureAwait(false);
        }
    }

    private Task<T> RowAsync<T>(string sql, Func<NpgsqlDataReader, T> read, NpgsqlParameter[] parameters, CancellationToken cancellationToken) => ReadAsync(
        sql,
        async reader =>
        {
            await reader.ReadAsync(cancellationToken).ConfigureAwait(false);
            return read(reader);
        },
        parameters,
        cancellationToken);

    private async Task<T> ReadAsync<T>(string sql, Func<NpgsqlDataReader, Task<T>> read, NpgsqlParameter[] parameters, CancellationToken cancellationToken)
    {
        await _turn.WaitAsync(cancellationToken).ConfigureAwait(false);
        try
        {
            // No limit: a checkpoint that is spread takes minutes.
            using var command = new NpgsqlCommand(sql, _connection) { CommandTimeout = 0 };
            command.Parameters.AddRange(parameters);
            var reader = await command.ExecuteReaderAsync(cancellationToken).ConfigureAwait(false);
            await using (reader.ConfigureAwait(false))
                return await read(reader).ConfigureAwait(false);
        }
        catch (NpgsqlException broken) when (_connection.State != ConnectionState.Open)
        {
            throw LostDuring(broken);
        }
        catch (PostgresException refused) when (refused.SqlState == PostgresErrorCodes.InsufficientPrivilege)
        {
            throw new WalBackupException("wal.backup.privilege", $"The server refused the backup: {refused.MessageText}.", GrantHint(), refused);
        }
        catch (PostgresException refused)
        {
            throw new WalBackupException("wal.backup.server", $"The server refused the backup: {refused.MessageText}.", refused.Hint, refused);
        }
        catch (NpgsqlException broken)
        {
            throw LostDuring(broken);
        }
        finally
        {
            _turn.Release();
        }
    }

    // The driver does not tell it from the value.
    private static NpgsqlParameter Position(NpgsqlLogSequenceNumber lsn) => new() { Value = lsn, NpgsqlDbType = NpgsqlDbType.PgLsn };

    private static string? TextOf(NpgsqlDataReader row, int column) => row.IsDBNull(column) ? null : row.GetString(column);

    private string GrantHint() => PgVersion >= FirstRenamed
        ? "GRANT EXECUTE ON FUNCTION pg_catalog.pg_backup_start(text, boolean), pg_catalog.pg_backup_stop(boolean) TO the role."
        : "GRANT EXECUTE ON FUNCTION pg_catalog.pg_start_backup(text, boolean, boolean), pg_catalog.pg_stop_backup(boolean, boolean) TO the role.";
}

/// <summary>What a server says of itself; of its folders only what the role may know.</summary>
internal sealed record ServerFacts(ulong SystemIdentifier, bool IsStandby, int Port, string? DataDirectory, DateTimeOffset Now, string? StatisticsFolder, string? LastArchived);

/// <summary>What <c>pg_backup_stop</c> returns, and when.</summary>
internal sealed record BackupEnd(NpgsqlLogSequenceNumber StopLsn, string Label, string TablespaceMap, DateTimeOffset Now);
