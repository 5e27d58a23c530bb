namespace OmniPg.Extractor;

/// <summary>A version control program failed.</summary>
public sealed class VersionControlException : ExtractorException
{
    /// <summary>Creates the error.</summary>
    /// <param name="program">The program.</param>
    /// <param name="command">Its command, for example <c>commit</c>.</param>
    /// <param name="output">The end of what it wrote to standard error.</param>
    /// <param name="innerException">The cause, or null.</param>
    public VersionControlException(string program, string command, string output, Exception? innerException = null)
        : base("extractor.version-control", $"'{program} {command}' failed: {output}", "The extracted tree itself is complete; commit it by hand or run again.", innerException)
    {
        Program = program;
        Command = command;
    }

    /// <summary>The program.</summary>
    public string Program { get; }

    /// <summary>Its command.</summary>
    public string Command { get; }
}
