using System.Globalization;
using Npgsql;
using Npgsql.Replication;
using NpgsqlTypes;

namespace OmniPg.Wal;

/// <summary>One replication connection to the server, and what it is asked before WAL flows.</summary>
internal sealed class ReceiveServer : IAsyncDisposable
{
    private const int FirstWithReadSlot = 15;

    // A busy server sends small messages; one read of the socket takes all that have come.
    private const int ReadBufferBytes = 256 * 1024;

    private readonly string _connectionString;
    private readonly string _slot;

    private ReceiveServer(PhysicalReplicationConnection connection, string connectionString, string slot) =>
        (Connection, _connectionString, _slot) = (connection, connectionString, slot);

    public PhysicalReplicationConnection Connection { get; }

    /// <summary>Identity of the cluster; its timeline is the newest that the server knows.</summary>
    public PgControlFile Cluster { get; private set; } = null!;

    /// <summary>End of the WAL of <see cref="Cluster"/>'s timeline.</summary>
    public NpgsqlLogSequenceNumber End { get; private set; }

    public WalSegmentSize SegmentSize => WalSegmentSize.FromBytes(Cluster.SegmentSize);

    public static async Task<ReceiveServer> OpenAsync(string connectionString, WalReceiverOptions options, CancellationToken cancellationToken)
    {
        var builder = new NpgsqlConnectionStringBuilder(connectionString) { Pooling = false };
        builder.ReadBufferSize = Math.Max(builder.ReadBufferSize, ReadBufferBytes);
        builder.ApplicationName = options.ApplicationName ?? builder.ApplicationName ?? options.Slot;
        var server = new ReceiveServer(new PhysicalReplicationConnection(builder.ConnectionString) { WalReceiverTimeout = options.ReceiveTimeout }, builder.ConnectionString, options.Slot);
        try
        {
            await server.Connection.Open(cancellationToken).ConfigureAwait(false);
            var system = await server.Connection.IdentifySystem(cancellationToken).ConfigureAwait(false);
            var size = await server.Connection.Show("wal_segment_size", cancellationToken).ConfigureAwait(false);
            var identifier = ulong.Parse(system.SystemId, NumberStyles.None, CultureInfo.InvariantCulture);
            server.Cluster = PgControlFile.OfServer(identifier, SizeOf(size), server.Connection.PostgreSqlVersion.Major, system.Timeline);
            server.End = system.XLogPos;
            return server;
        }
        catch
        {
            await server.DisposeAsync().ConfigureAwait(false);
            throw;
        }
    }

    /// <summary>Where the slot has arrived.</summary>
    /// <returns>Null when it keeps nothing yet.</returns>
    /// <exception cref="WalReceiveException">There is none of that name.</exception>
    public async Task<(NpgsqlLogSequenceNumber Restart, uint? Timeline)?> FindSlotAsync(CancellationToken cancellationToken)
    {
        if (Connection.PostgreSqlVersion.Major >= FirstWithReadSlot)
        {
            var slot = await Connection.ReadReplicationSlot(_slot, cancellationToken).ConfigureAwait(false) ?? throw WalReceiveException.NoSlot(_slot, null);
            return slot.RestartLsn is { } lsn ? (lsn, slot.RestartTimeline) : null;
        }

        var found = await QueryAsync("SELECT restart_lsn FROM pg_catalog.pg_replication_slots WHERE slot_name = $1 AND slot_type = 'physical'", _slot, cancellationToken).ConfigureAwait(false)
            ?? throw WalReceiveException.NoSlot(_slot, null);
        return found is NpgsqlLogSequenceNumber restart ? (restart, null) : null;
    }

    /// <summary>Makes the slot, reserving WAL from now on.</summary>
    /// <returns>False when there is one of that name.</returns>
    public async Task<bool> TryCreateSlotAsync(CancellationToken cancellationToken)
    {
        try
        {
            await Connection.CreateReplicationSlot(_slot, isTemporary: false, reserveWal: true, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (PostgresException error) when (error.SqlState == PostgresErrorCodes.DuplicateObject)
        {
            return false;
        }
    }

    /// <summary>The history file of a timeline, byte for byte.</summary>
    /// <exception cref="WalReceiveException">Nobody gives it.</exception>
    public async Task<byte[]> ReadHistoryAsync(uint timeline, CancellationToken cancellationToken)
    {
        string replication;
        try
        {
            return (await Connection.TimelineHistory(timeline, cancellationToken).ConfigureAwait(false)).Content;
        }
        catch (InvalidCastException error)
        {
            // Since PostgreSQL 15 the answer is of another type than Npgsql reads (SendTimeLineHistory, walsender.c).
            replication = error.Message;
        }

        try
        {
            var path = $"pg_wal/{WalFileName.ForHistory(timeline)}";
            return await QueryAsync("SELECT pg_catalog.pg_read_binary_file($1)", path, cancellationToken).ConfigureAwait(false) as byte[] ?? [];
        }
        catch (PostgresException refused)
        {
            throw WalReceiveException.NoHistory(timeline, $"the replication command failed in the driver ('{replication}'), pg_read_binary_file in the server ('{refused.MessageText}')");
        }
    }

    /// <summary>Tells the server what is on disk; safe beside a read of the same connection.</summary>
    /// <exception cref="NpgsqlException">The connection is broken.</exception>
    public Task ConfirmAsync(NpgsqlLogSequenceNumber flushed, CancellationToken cancellationToken)
    {
        Connection.SetReplicationStatus(flushed);
        return DriverAsync(async () =>
        {
            await Connection.SendStatusUpdate(cancellationToken).ConfigureAwait(false);
            return true;
        });
    }

    public ValueTask DisposeAsync() => Connection.DisposeAsync();

    /// <summary>Asks the driver, and takes each of its words for a broken connection for one.</summary>
    /// <exception cref="NpgsqlException">The connection is broken.</exception>
    public static async Task<T> DriverAsync<T>(Func<Task<T>> ask)
    {
        try
        {
            return await ask().ConfigureAwait(false);
        }
        catch (Exception broken) when (IsOfBrokenConnection(broken))
        {
            throw Broken(broken);
        }
    }

    /// <summary>
    /// Whether the driver says so in words of its own. A read and a confirmation go on side by side: where one of the two finds the connection broken, the other may find no connection
    /// (<see cref="InvalidOperationException"/>), or no timer, because the end of the read has taken it away (<see cref="NullReferenceException"/>; <c>ReplicationConnection.SendFeedback</c> of
    /// Npgsql 10). A message out of order breaks the connection with a bare <see cref="Exception"/> (<c>NpgsqlConnector.UnexpectedMessageReceived</c>).
    /// </summary>
    public static bool IsOfBrokenConnection(Exception error) => error is InvalidOperationException or NullReferenceException || error.GetType() == typeof(Exception);

    /// <summary>The same in the driver's usual word.</summary>
    public static NpgsqlException Broken(Exception error) => new("The replication connection is broken.", error);

    /// <returns>Null without a row, <see cref="DBNull"/> for a null.</returns>
    private async Task<object?> QueryAsync(string sql, string parameter, CancellationToken cancellationToken)
    {
        var connection = new NpgsqlConnection(_connectionString);
        await using var closing = connection.ConfigureAwait(false);
        await connection.OpenAsync(cancellationToken).ConfigureAwait(false);
        using var command = new NpgsqlCommand(sql, connection) { Parameters = { new() { Value = parameter } } };
        return await command.ExecuteScalarAsync(cancellationToken).ConfigureAwait(false);
    }

    // As SHOW prints it: a number with MB or GB.
    private static int SizeOf(string text)
    {
        var digits = text.AsSpan().TrimEnd("MGB");
        var number = int.Parse(digits, NumberStyles.None, CultureInfo.InvariantCulture);
        return text.EndsWith("GB", StringComparison.Ordinal) ? number << 30 : number << 20;
    }
}
