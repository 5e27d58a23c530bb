namespace OmniPg.Jobmon;

/// <summary>The row of <c>dblink_mapping_jobmon</c>: how functions called from SQL open their own connection. Values may hold any character.</summary>
public sealed record DblinkMapping
{
    /// <summary>Role to connect as; <see langword="null"/>: the server's account name.</summary>
    public string? Username { get; init; }

    /// <summary>Port; <see langword="null"/>: the server's own.</summary>
    public int? Port { get; init; }

    /// <summary>Password, stored as plain text in a table that only its owner can read. A role that is not superuser needs one.</summary>
    public string? Password { get; init; }

    /// <summary>Host name or socket directory; <see langword="null"/>: the server's first socket directory.</summary>
    public string? Host { get; init; }

    /// <summary>Numeric address, used instead of resolving <see cref="Host"/>.</summary>
    public string? HostAddress { get; init; }

    /// <summary>The mapping without its password.</summary>
    public override string ToString() => $"{Username}@{HostAddress ?? Host}:{Port}";
}
