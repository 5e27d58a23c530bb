namespace OmniPg.Extractor;

/// <summary>How Subversion is used.</summary>
public sealed record SvnOptions
{
    /// <summary>Name or path of the program (<c>--svncmd</c>). Default <c>svn</c>.</summary>
    public string Program { get; init; } = "svn";

    /// <summary>Configuration directory with stored credentials (<c>--config-dir</c>). Default: that of the user.</summary>
    public string? ConfigDirectory { get; init; }
}
