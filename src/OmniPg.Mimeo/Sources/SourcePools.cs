using System.Collections.Concurrent;
using Npgsql;

namespace OmniPg.Mimeo;

/// <summary>The data sources of a client's sources: those that the options have, else one for each connection that is stored, kept from one call to the next.</summary>
/// <remarks>
/// A data source knows the server's types once it has asked for them. Its sessions end soon after their last work, so that a client that does nothing occupies none; nobody has to dispose of it.
/// </remarks>
internal sealed class SourcePools(MimeoOptions options)
{
    // As many as the options could ask for: the server's own limit is the one that counts.
    private const int MaxSessions = 64 * 65;

    private const int IdleSeconds = 5;

    private readonly ConcurrentDictionary<string, (string Text, Lazy<NpgsqlDataSource> Pool)> _stored = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, Throttle> _throttles = new(StringComparer.Ordinal);

    /// <summary>What holds copies out of a source back; null for nothing.</summary>
    public Throttle? ThrottleOf(string name) => options.MaxBytesPerSecond is { } most ? _throttles.GetOrAdd(name, _ => new Throttle(most, TimeProvider.System)) : null;

    /// <summary>The data source of the options for a source of this name; null for none.</summary>
    public NpgsqlDataSource? Given(string name) => options.Sources.GetValueOrDefault(name);

    /// <summary>Lets the next call for a source connect anew; sessions that are at work go on.</summary>
    public void Forget(string name) => _stored.TryRemove(name, out _);

    /// <summary>The data source of a stored connection.</summary>
    public NpgsqlDataSource Of(string name, string connectionString)
    {
        var (text, pool) = _stored.GetOrAdd(name, _ => Entry());
        if (text == connectionString)
            return pool.Value;
        // Who works with the former one goes on, and its sessions end behind him.
        return _stored.AddOrUpdate(name, _ => Entry(), (_, known) => known.Text == connectionString ? known : Entry()).Pool.Value;

        (string, Lazy<NpgsqlDataSource>) Entry() => (connectionString, new Lazy<NpgsqlDataSource>(() => NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(connectionString)
        {
            MaxPoolSize = MaxSessions, ConnectionIdleLifetime = IdleSeconds, ConnectionPruningInterval = 1,
            // A session may have been another refresh's before.
            NoResetOnClose = false,
        })));
    }
}
