using System.Runtime.CompilerServices;
using System.Transactions;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The few connections of the job log: never the caller's, never enlisted in a transaction.</summary>
/// <remarks>
/// They go straight to the server until the first answer shows a pooler in between; from then on another pool is used, which prepares
/// nothing.
/// A data source hides its password, but a connection made by it can be cloned with another connection string and keeps the credentials:
/// that is how the own pool is derived. The credentials are asked for again at every physical connect, so rotating passwords work.
/// </remarks>
internal sealed class OwnConnections : IAsyncDisposable
{
    // One for the control session as long as it lives, one for the callers, one for the background.
    public const int MaxPoolSize = 3;
    public const string ApplicationName = "OmniPg.Jobmon";

    private const int DefaultMaxAutoPrepare = 20;

    private readonly System.Collections.Concurrent.ConcurrentBag<NpgsqlDataSource> _built = [];
    private readonly NpgsqlDataSource _direct;
    private readonly NpgsqlDataSource? _given;
    private readonly Lazy<NpgsqlDataSource> _pooled;
    private readonly JobmonOptions _options;
    private readonly ServerClock _clock;
    private volatile bool _behindPooler;

    public OwnConnections(NpgsqlDataSource source, JobmonOptions options, ServerClock clock)
    {
        (_options, _clock, _given) = (options, clock, options.WriterDataSource);
        _behindPooler = options.Liveness == LivenessMode.Heartbeat;
        _direct = _given ?? Build(source, pooled: false);
        _pooled = new Lazy<NpgsqlDataSource>(() => Build(source, pooled: true));

        var settings = new NpgsqlConnectionStringBuilder(_direct.ConnectionString);
        ServerName = ServerText.Of(_direct.ConnectionString);
        DatabaseName = settings.Database ?? settings.Username ?? "";
    }

    /// <summary>Host, port and database for messages; holds no secret.</summary>
    public string ServerName { get; }

    public string DatabaseName { get; }

    /// <summary>The own pool, for readers that must not queue behind the caller's connections.</summary>
    public NpgsqlDataSource DataSource => _given ?? (_behindPooler ? _pooled.Value : _direct);

    /// <summary>Whether the sessions belong to somebody else as well, so that each transaction brings its settings and leaves none.</summary>
    public bool Borrows => _behindPooler || _given is not null;

    /// <summary>A pooler stands between here and the server: its backends were never ours alone.</summary>
    public void NotePooler() => _behindPooler = true;

    /// <summary>Short statements on an open connection of this pool.</summary>
    public ControlConnection Statements(NpgsqlConnection connection) => new(connection, _options.CommandTimeout, Borrows);

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<NpgsqlConnection> OpenAsync(bool async, CancellationToken cancellationToken)
    {
        // A given data source may enlist; the own one has Enlist=false already.
        using var outside = Transaction.Current is null
            ? null
            : new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        while (true)
        {
            var source = DataSource;
            var connection = async ? await source.OpenConnectionAsync(cancellationToken).ConfigureAwait(false) : source.OpenConnection();
            // It was opened in the belief that the backend is ours, and would prepare statements there.
            if (source == DataSource)
                return connection;
            await SyncCall.CloseAsync(async, connection).ConfigureAwait(false);
            source.Clear();
        }
    }

    /// <summary>Forgets pooled connections, after one of them turned out to be broken.</summary>
    public void Clear() => DataSource.Clear();

    public ValueTask DisposeAsync() => CloseAsync(async: true);

    public async ValueTask CloseAsync(bool async)
    {
        foreach (var owned in _built)
            await SyncCall.CloseAsync(async, owned).ConfigureAwait(false);
    }

    private NpgsqlDataSource Build(NpgsqlDataSource source, bool pooled)
    {
        var settings = Settings(_options.ConnectionString ?? source.ConnectionString, _options, pooled);
        var builder = new NpgsqlSlimDataSourceBuilder(settings.ConnectionString);
        // The log's statements use built-in types only: nothing is asked before the first statement of a connection, which brings its own limits.
        builder.EnableArrays().EnableTransportSecurity().EnableIntegratedSecurity().ConfigureTypeLoading(types => types.EnableTypeLoading(false));
        if (Password(source, settings) is not null)
        {
            builder.ConnectionStringBuilder.Password = null;
            builder.UsePasswordProvider(_ => Password(source, settings) ?? "", (_, _) => ValueTask.FromResult(Password(source, settings) ?? ""));
        }

        builder.UsePhysicalConnectionInitializer(
            connection => SyncCall.Run(BeginSessionAsync(connection, pooled, async: false)),
            async connection => await BeginSessionAsync(connection, pooled, async: true).ConfigureAwait(false));
        NpgsqlDataSource built = builder.ConnectionStringBuilder.Host?.Contains(',', StringComparison.Ordinal) == true ? builder.BuildMultiHost() : builder.Build();
        _built.Add(built);
        return built is NpgsqlMultiHostDataSource hosts ? hosts.WithTargetSession(TargetSessionAttributes.ReadWrite) : built;
    }

    private static NpgsqlConnectionStringBuilder Settings(string connectionString, JobmonOptions options, bool pooled)
    {
        var settings = new NpgsqlConnectionStringBuilder(connectionString)
        {
            ApplicationName = ApplicationName,
            Pooling = true,
            MinPoolSize = 0,
            MaxPoolSize = MaxPoolSize,
            Enlist = false,
            Multiplexing = false,
            Timeout = Seconds(options.ConnectTimeout),
            CommandTimeout = Seconds(options.CommandTimeout),
            CancellationTimeout = 1000,
            TcpKeepAlive = true,
            // The settings of an own session must survive the return to the pool; in any other nothing is left that would have to be reset.
            NoResetOnClose = true,
            AutoPrepareMinUsages = 2,
            PersistSecurityInfo = false,
            TargetSessionAttributes = null,
            LoadBalanceHosts = false,
        };
        // Behind a transaction pooler the next backend does not know what this one has prepared.
        if (pooled)
            settings.MaxAutoPrepare = 0;
        else if (!settings.Keys.Contains("Max Auto Prepare", StringComparer.OrdinalIgnoreCase))
            settings.MaxAutoPrepare = DefaultMaxAutoPrepare;
        return settings;
    }

    /// <summary>A limit as the driver takes it: whole seconds, and never zero, which would mean none.</summary>
    public static int Seconds(TimeSpan time) => Math.Max(1, (int)Math.Ceiling(time.TotalSeconds));

    // Null where the user needs none.
    private string? Password(NpgsqlDataSource source, NpgsqlConnectionStringBuilder settings)
    {
        using var template = _options.ConnectionString is null ? source.CreateConnection() : new NpgsqlConnection(_options.ConnectionString);
        return new NpgsqlConnectionStringBuilder(template.CloneWith(settings.ConnectionString).ConnectionString).Password;
    }

    /// <summary>The first statement of a connection, before anything is written: whose session is it? It also tells the server's time.</summary>
    private async ValueTask BeginSessionAsync(NpgsqlConnection connection, bool pooled, bool async)
    {
        using var command = new NpgsqlCommand(SessionSettings.Own, connection);
        var limit = ((long)_options.CommandTimeout.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = limit });
        // No backend has the process id 0: where a pooler is known to be, nothing is taken for ours.
        command.Parameters.Add(new NpgsqlParameter<int> { TypedValue = pooled ? 0 : connection.ProcessID });
        var before = _clock.Mark();
        using var row = async ? await command.ExecuteReaderAsync().ConfigureAwait(false) : command.ExecuteReader();
        _ = async ? await row.ReadAsync().ConfigureAwait(false) : row.Read();
        _clock.Set(row.GetDateTime(0), before, _clock.Mark());
        if (!row.GetBoolean(1))
            NotePooler();
    }
}
