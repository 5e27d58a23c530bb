using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace OmniPg.Wal;

/// <summary>What more can be registered with an archiver.</summary>
public sealed class OmniPgWalArchiverRegistration
{
    internal OmniPgWalArchiverRegistration(IServiceCollection services, string name) => (Services, Name) = (services, name);

    /// <summary>The services.</summary>
    public IServiceCollection Services { get; }

    /// <summary>Name of the archiver.</summary>
    public string Name { get; }

    /// <summary>Runs the resident mode as a hosted service.</summary>
    /// <param name="options">Spool, socket and parallelism.</param>
    /// <returns>This builder.</returns>
    public OmniPgWalArchiverRegistration AddResidentService(WalResidentOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Validate();
        var name = Name;
        Services.AddSingleton<IHostedService>(provider => new WalResidentService(
            provider.GetRequiredKeyedService<WalArchiver>(name), options, provider.GetRequiredService<ILogger<WalResidentService>>()));
        return this;
    }
}
