using System.Runtime.CompilerServices;
using System.Transactions;
using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The few connections of the job log: never the caller's, never enlisted in a transaction.</summary>
/// <remarks>
/// A data source hides its password, but a connection made by it can be cloned with another connection string and keeps the credentials:
/// that is how the own pool is derived. The credentials are asked for again at every physical connect, so rotating passwords work.
/// </remarks>
internal sealed class OwnConnections : IAsyncDisposable, IDisposable
{
    // One for the control session as long as it lives, one for the callers, one for the background.
    public const int MaxPoolSize = 3;
    public const string ApplicationName = "OmniPg.Jobmon";

    private readonly NpgsqlDataSource _dataSource;
    private readonly NpgsqlDataSource? _owned;
    private readonly ServerClock _clock;

    public OwnConnections(NpgsqlDataSource source, JobmonOptions options, ServerClock clock)
    {
        _clock = clock;
        if (options.WriterDataSource is { } given)
        {
            _dataSource = given;
        }
        else
        {
            _owned = Build(source, options);
            _dataSource = Writable(_owned);
        }

        var settings = new NpgsqlConnectionStringBuilder(_dataSource.ConnectionString);
        ServerName = ServerText.Of(_dataSource.ConnectionString);
        DatabaseName = settings.Database ?? settings.Username ?? "";
        UserName = settings.Username ?? "";
    }

    /// <summary>Host, port and database for messages; holds no secret.</summary>
    public string ServerName { get; }

    public string DatabaseName { get; }

    public string UserName { get; }

    /// <summary>The own pool, for readers that must not queue behind the caller's connections.</summary>
    public NpgsqlDataSource DataSource => _dataSource;

    [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder<>))]
    public async ValueTask<NpgsqlConnection> OpenAsync(bool async, CancellationToken cancellationToken)
    {
        // A given data source may enlist; the own one has Enlist=false already.
        using var outside = Transaction.Current is null
            ? null
            : new TransactionScope(TransactionScopeOption.Suppress, TransactionScopeAsyncFlowOption.Enabled);
        return async
            ? await _dataSource.OpenConnectionAsync(cancellationToken).ConfigureAwait(false)
            : _dataSource.OpenConnection();
    }

    /// <summary>Forgets pooled connections, after one of them turned out to be broken.</summary>
    public void Clear() => _dataSource.Clear();

    public void Dispose() => _owned?.Dispose();

    public async ValueTask DisposeAsync()
    {
        if (_owned is not null)
            await _owned.DisposeAsync().ConfigureAwait(false);
    }

    private NpgsqlDataSource Build(NpgsqlDataSource source, JobmonOptions options)
    {
        var settings = Settings(options.ConnectionString ?? source.ConnectionString, options);
        using var template = options.ConnectionString is null ? source.CreateConnection() : new NpgsqlConnection(options.ConnectionString);
        var complete = new NpgsqlConnectionStringBuilder(template.CloneWith(settings.ConnectionString).ConnectionString);

        var builder = new NpgsqlSlimDataSourceBuilder(settings.ConnectionString);
        builder.EnableArrays().EnableTransportSecurity().EnableIntegratedSecurity();
        if (complete.Password is not null)
        {
            builder.ConnectionStringBuilder.Password = null;
            builder.UsePasswordProvider(
                _ => Password(source, options, settings),
                (_, _) => ValueTask.FromResult(Password(source, options, settings)));
        }

        builder.UsePhysicalConnectionInitializer(
            connection => SyncCall.Run(PrepareSessionAsync(connection, options, async: false)),
            async connection => await PrepareSessionAsync(connection, options, async: true).ConfigureAwait(false));
        return builder.ConnectionStringBuilder.Host?.Contains(',', StringComparison.Ordinal) == true ? builder.BuildMultiHost() : builder.Build();
    }

    private static NpgsqlConnectionStringBuilder Settings(string connectionString, JobmonOptions options) => new(connectionString)
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
        // The session settings below must survive the return to the pool; nothing else is left behind in a session.
        NoResetOnClose = true,
        // Behind a transaction pooler the next backend does not know what this one has prepared.
        MaxAutoPrepare = options.Liveness == LivenessMode.Heartbeat ? 0 : 20,
        AutoPrepareMinUsages = 2,
        PersistSecurityInfo = false,
        TargetSessionAttributes = null,
        LoadBalanceHosts = false,
    };

    /// <summary>A limit as the driver takes it: whole seconds, and never zero, which would mean none.</summary>
    public static int Seconds(TimeSpan time) => Math.Max(1, (int)Math.Ceiling(time.TotalSeconds));

    private static string Password(NpgsqlDataSource source, JobmonOptions options, NpgsqlConnectionStringBuilder settings)
    {
        using var template = options.ConnectionString is null ? source.CreateConnection() : new NpgsqlConnection(options.ConnectionString);
        return new NpgsqlConnectionStringBuilder(template.CloneWith(settings.ConnectionString).ConnectionString).Password ?? "";
    }

    private static NpgsqlDataSource Writable(NpgsqlDataSource source) =>
        source is NpgsqlMultiHostDataSource hosts ? hosts.WithTargetSession(TargetSessionAttributes.ReadWrite) : source;

    /// <summary>Overrides what a role or database may have set; names unknown to an older server are passed over.</summary>
    private async ValueTask PrepareSessionAsync(NpgsqlConnection connection, JobmonOptions options, bool async)
    {
        using var command = new NpgsqlCommand(OwnConnectionsSql.PrepareSession, connection);
        var limit = ((long)options.CommandTimeout.TotalMilliseconds).ToString(System.Globalization.CultureInfo.InvariantCulture);
        command.Parameters.Add(new NpgsqlParameter<string> { TypedValue = limit });
        var before = _clock.Mark();
        var now = async ? await command.ExecuteScalarAsync().ConfigureAwait(false) : command.ExecuteScalar();
        _clock.Set((DateTime)now!, before, _clock.Mark());
    }
}
