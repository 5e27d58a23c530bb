namespace OmniPg.Extractor;

/// <summary>How git is used.</summary>
public sealed record GitOptions
{
    /// <summary>Name or path of the program (<c>--gitcmd</c>). Default <c>git</c>.</summary>
    public string Program { get; init; } = "git";

    /// <summary>Whether the commit is pushed to the branch's upstream (<c>--gitpush</c>). Default false.</summary>
    public bool Push { get; init; }
}
