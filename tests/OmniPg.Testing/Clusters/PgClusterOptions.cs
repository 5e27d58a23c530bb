namespace OmniPg.Testing;

/// <summary>What kind of throw-away server to start.</summary>
public sealed record PgClusterOptions
{
    /// <summary>Major version; <see langword="null"/> (default) takes the highest installed one.</summary>
    public int? Version { get; init; }

    /// <summary>The programs to run; <see langword="null"/> (default) finds them by <see cref="Version"/>.</summary>
    public PgInstallation? Installation { get; init; }

    /// <summary>Server settings on top of the defaults, name to value as in postgresql.conf.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>More arguments for initdb, such as <c>--wal-segsize=1</c>.</summary>
    public IReadOnlyList<string> InitDbArguments { get; init; } = [];

    /// <summary>Whether fsync and full_page_writes stay on: for tests of durability and for WAL that benchmarks use. Default <see langword="false"/>.</summary>
    public bool Durable { get; init; }

    /// <summary>Directory below which the server's own directory is made; <see langword="null"/> (default) picks memory when there is enough of it.</summary>
    public string? ParentDirectory { get; init; }

    /// <summary>Password of the superuser, asked for over TCP; <see langword="null"/> (default) trusts everybody.</summary>
    public string? Password { get; init; }

    /// <summary>A data directory to run instead of a fresh one, such as a restored backup; it must be initialised. It is deleted in the end too.</summary>
    public string? ExistingDataDirectory { get; init; }

    /// <summary>The mount namespace that the server and its commands run in; <see langword="null"/> (default) is that of this process.</summary>
    public MountNamespace? Mounts { get; init; }

    /// <summary>These options for a server with many small databases, one after the other; what they set themselves stays. A server that is measured has those of its users.</summary>
    internal PgClusterOptions ForManyDatabases() => this with
    {
        Settings = new Dictionary<string, string>(Settings)
        {
            // Off by default from 19 on: compiling the long statements over catalogs takes longer than everything that runs there.
            ["jit"] = Settings.GetValueOrDefault("jit", "off"),
            // A worker that comes by holds locks for which a test with a short limit does not wait; it stays on for whoever asks.
            ["autovacuum_naptime"] = Settings.GetValueOrDefault("autovacuum_naptime", "1d"),
            // DROP DATABASE looks through all of them.
            ["shared_buffers"] = Settings.GetValueOrDefault("shared_buffers", "32MB"),
        },
    };

    /// <summary>The server settings of these options, the same for every kind of server; a name in <see cref="Settings"/> wins.</summary>
    internal Dictionary<string, string> ServerSettings()
    {
        var settings = new Dictionary<string, string>
        {
            ["wal_level"] = "logical",
            ["max_wal_senders"] = "10",
            ["max_prepared_transactions"] = "10",
            ["timezone"] = "UTC",
        };
        if (!Durable)
            (settings["fsync"], settings["synchronous_commit"], settings["full_page_writes"]) = ("off", "off", "off");
        foreach (var (name, value) in Settings)
            settings[name] = value;
        return settings;
    }
}
