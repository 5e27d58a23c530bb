using Xunit;

namespace OmniPg.Testing;

/// <summary>One server for a whole test assembly: <c>[assembly: AssemblyFixture(typeof(PgClusterFixture))]</c>, taken in by constructors.</summary>
public class PgClusterFixture : IAsyncLifetime
{
    /// <summary>The server.</summary>
    public PgCluster Cluster { get; private set; } = null!;

    /// <summary>What kind of server; override to change it.</summary>
    protected virtual PgClusterOptions Options => new();

    /// <summary>Starts the server.</summary>
    /// <returns>A task that ends when it answers.</returns>
    public async ValueTask InitializeAsync() => Cluster = await PgCluster.StartAsync(Options.ForManyDatabases());

    /// <summary>Stops the server and deletes its files.</summary>
    /// <returns>A task that ends when nothing is left.</returns>
    public async ValueTask DisposeAsync()
    {
        GC.SuppressFinalize(this);
        if (Cluster is null)
            return;
        var refused = Cluster.ReadSyntaxErrors();
        await Cluster.DisposeAsync();
        if (refused.Count > 0)
            throw new InvalidOperationException($"The server could not parse what it was sent; where nobody noticed, a failure was swallowed:\n{string.Join("\n", refused)}");
    }
}
