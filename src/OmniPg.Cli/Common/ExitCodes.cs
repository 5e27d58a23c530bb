namespace OmniPg.Cli;

/// <summary>Exit codes of every command; <c>check</c> follows the convention of monitoring plugins with the same numbers.</summary>
internal static class ExitCodes
{
    public const int Done = 0;

    /// <summary>Done, with something the user must look at: WARNING, differences found.</summary>
    public const int Attention = 1;

    /// <summary>Failed, or CRITICAL.</summary>
    public const int Failed = 2;

    /// <summary>Could not find out.</summary>
    public const int Unknown = 3;

    /// <summary>Wrong command line.</summary>
    public const int Usage = 64;
}
