#if TESTCONTAINERS
using Testcontainers.PostgreSql;

namespace OmniPg.Testing;

/// <summary>A server in a container. Compiled with <c>-p:Testcontainers=true</c> only, because that package does not restore everywhere.</summary>
internal sealed class ContainerServer : IPgServer
{
    private readonly PostgreSqlContainer _container;

    private ContainerServer(PostgreSqlContainer container) => _container = container;

    public string ConnectionString => _container.GetConnectionString();

    public ProcessServer? Process => null;

    public static async Task<IPgServer> StartAsync(PgClusterOptions options, CancellationToken cancellationToken)
    {
        var settings = options.Settings.SelectMany(s => new[] { "-c", $"{s.Key}={s.Value}" }).ToArray();
        var container = new PostgreSqlBuilder($"postgres:{options.Version ?? 17}").WithCommand(settings).Build();
        await container.StartAsync(cancellationToken);
        return new ContainerServer(container);
    }

    public ValueTask DisposeAsync() => _container.DisposeAsync();
}
#endif
