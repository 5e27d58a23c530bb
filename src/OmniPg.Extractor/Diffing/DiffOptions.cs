namespace OmniPg.Extractor;

/// <summary>What a comparison looks at.</summary>
public sealed record DiffOptions
{
    /// <summary>Everything but rows of data.</summary>
    public static DiffOptions Default { get; } = new();

    /// <summary>Whether owners are left aside. Default false.</summary>
    public bool IgnoreOwners { get; init; }

    /// <summary>Whether grants are left aside. Default false.</summary>
    public bool IgnoreAcl { get; init; }

    /// <summary>Whether comments are left aside. Default false.</summary>
    public bool IgnoreComments { get; init; }

    /// <summary>Whether file names are left aside. Default false; they are compared only where both sides have the same layout.</summary>
    public bool IgnoreMoves { get; init; }

    /// <summary>Whether the database's own properties are left aside. Default false; they are always, when the databases have different names.</summary>
    public bool IgnoreDatabase { get; init; }

    /// <summary>Unchanged lines around each change in the text form. Default 3; at least 0.</summary>
    public int ContextLines { get; init; } = 3;
}
