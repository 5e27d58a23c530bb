using Testcontainers.PostgreSql;

namespace OmniPg.Testing;

/// <summary>A server in a container, for machines without server programs but with a container engine.</summary>
internal sealed class ContainerServer(PostgreSqlContainer container) : IPgServer
{
    public string ConnectionString => container.GetConnectionString();

    public ProcessServer? Process => null;

    /// <summary>Starts the official image of the major version asked for, 17 by default, under the same options as a local server.</summary>
    /// <exception cref="InvalidOperationException">No container can be had here, or the options need the server's files.</exception>
    public static async Task<IPgServer> StartAsync(PgClusterOptions options, CancellationToken cancellationToken)
    {
        if (options.ExistingDataDirectory is not null)
            throw new InvalidOperationException("A data directory of this machine cannot be run in a container; install the server programs.");
        PostgreSqlContainer? container = null;
        try
        {
            var builder = new PostgreSqlBuilder($"postgres:{options.Version ?? 17}")
                .WithUsername("postgres")
                .WithDatabase("postgres")
                .WithEnvironment("POSTGRES_INITDB_ARGS", string.Join(' ', (IEnumerable<string>)["-E", "UTF8", "--locale=C.UTF-8", .. options.InitDbArguments]))
                .WithCommand([.. options.ServerSettings().SelectMany(s => new[] { "-c", $"{s.Key}={s.Value}" })]);
            builder = options.Password is { } password ? builder.WithPassword(password) : builder.WithEnvironment("POSTGRES_HOST_AUTH_METHOD", "trust");
            container = builder.Build();
            await container.StartAsync(cancellationToken);
            return new ContainerServer(container);
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            if (container is not null)
                await container.DisposeAsync();
            throw new InvalidOperationException(
                $"No PostgreSQL {options.Version?.ToString(System.Globalization.CultureInfo.InvariantCulture) ?? "server"} here, and no container either: {e.Message} "
                + "Install the server programs (Debian: apt-get install postgresql), or name their directory in OMNIPG_PG_BIN, or a server in OMNIPG_TEST_CONNECTION.",
                e);
        }
    }

    public ValueTask DisposeAsync() => container.DisposeAsync();
}
