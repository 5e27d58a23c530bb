namespace OmniPg.Extractor;

/// <summary>What a comparison looks at. Default: everything but rows of data.</summary>
public sealed class DiffOptions : ICheckedOptions
{
    /// <summary>Whether owners are left aside. Default false.</summary>
    public bool IgnoreOwners { get; set; }

    /// <summary>Whether grants are left aside. Default false.</summary>
    public bool IgnoreAcl { get; set; }

    /// <summary>Whether comments are left aside. Default false.</summary>
    public bool IgnoreComments { get; set; }

    /// <summary>Whether file names are left aside. Default false; they are compared only where both sides have the same layout.</summary>
    public bool IgnoreMoves { get; set; }

    /// <summary>Whether the database's own properties are left aside. Default false; they are always, when the databases have different names.</summary>
    public bool IgnoreDatabase { get; set; }

    /// <summary>Unchanged lines around each change in the text form. Default 3; at least 0.</summary>
    public int ContextLines { get; set; } = 3;

    void ICheckedOptions.Check(OptionsCheck check) => check.AtLeast<int>(ContextLines, 0);
}
