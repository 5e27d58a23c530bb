namespace OmniPg.Extractor;

/// <summary>In what way an object changed; combined with <c>|</c>.</summary>
[Flags]
public enum DiffClasses
{
    /// <summary>Nothing changed.</summary>
    None = 0,

    /// <summary>Its definition, or that of something that belongs to it: an index, a constraint, a trigger.</summary>
    Definition = 1,

    /// <summary>Its owner.</summary>
    Owner = 2,

    /// <summary>Grants on it.</summary>
    Acl = 4,

    /// <summary>Comments on it.</summary>
    Comment = 8,

    /// <summary>Security labels on it.</summary>
    Label = 16,

    /// <summary>Its file: same text in another place.</summary>
    Moved = 32,

    /// <summary>The installed version of an extension.</summary>
    Version = 64,

    /// <summary>Nothing but carriage returns: a checkout or an editor converted the line ends.</summary>
    LineEnds = 128,
}
