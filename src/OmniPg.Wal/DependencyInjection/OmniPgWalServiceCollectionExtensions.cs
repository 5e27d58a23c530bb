using OmniPg.Wal;

namespace Microsoft.Extensions.DependencyInjection;

/// <summary>Registers archivers, restorers and repositories of WAL.</summary>
public static class OmniPgWalServiceCollectionExtensions
{
    /// <summary>Begins a registration; the parts are added to what it returns.</summary>
    /// <param name="services">The services.</param>
    /// <param name="name">Name and service key of the parts; empty for the only ones.</param>
    /// <returns>A builder with the same name.</returns>
    public static OmniPgWalBuilder AddOmniPgWal(this IServiceCollection services, string name = "")
    {
        ArgumentNullException.ThrowIfNull(services);
        ArgumentNullException.ThrowIfNull(name);
        return new OmniPgWalBuilder(services, name);
    }
}
