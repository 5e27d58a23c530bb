namespace OmniPg.Extractor;

/// <summary>What a replay does with owners.</summary>
public enum OwnerMode
{
    /// <summary>Objects get their owners back. The default; needs a role that may give objects away.</summary>
    Keep,

    /// <summary>Objects belong to the role that replays.</summary>
    Skip,
}
