namespace OmniPg.Shared;

/// <summary>What both programs say; 0 to 3 are those of monitoring plugins. A program whose caller wants more has its own beside these.</summary>
internal static partial class ExitCodes
{
    public const int Done = 0;

    /// <summary>Done, but there is something to look at: WARNING, differences found, gaps in an archive, a name in no source.</summary>
    public const int Attention = 1;

    /// <summary>Failed, or CRITICAL.</summary>
    public const int Failed = 2;

    /// <summary>Could not find out.</summary>
    public const int Unknown = 3;

    /// <summary>Wrong command line (<c>EX_USAGE</c> of sysexits.h).</summary>
    public const int WrongUse = 64;
}
