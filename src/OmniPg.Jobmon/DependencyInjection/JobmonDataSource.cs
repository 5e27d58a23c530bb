using Npgsql;

namespace OmniPg.Jobmon;

/// <summary>The data source chosen for one named log.</summary>
internal sealed class JobmonDataSource(Func<IServiceProvider, NpgsqlDataSource> get)
{
    public NpgsqlDataSource Get(IServiceProvider provider) => get(provider);
}
