namespace OmniPg.Wal;

/// <summary>Where <see cref="OmniPitrLogFile"/> writes and under which name. The original's <c>--log</c> and <c>--verbose</c>.</summary>
public sealed class OmniPitrLogOptions
{
    /// <summary>
    /// Path of the log file; markers of strftime are written with <c>^</c> (<c>/var/log/omnipitr-^Y-^m-^d.log</c>), in local time.
    /// <c>-</c> writes to <see cref="StandardOutput"/>. Required.
    /// </summary>
    /// <value>Supported: <c>^Y ^m ^d ^H ^M ^S ^y ^j ^U ^Z ^z ^s ^F ^T ^^</c>.</value>
    public required string PathTemplate { get; set; }

    /// <summary>Name in the third field of every line. omnipitr-monitor knows <c>omnipitr-archive</c>, <c>omnipitr-restore</c> and so on.</summary>
    /// <value>Default <c>omnipitr-archive</c>.</value>
    public string ProgramName { get; set; } = "omnipitr-archive";

    /// <summary>Whether messages of the levels Debug and Trace are written too.</summary>
    /// <value>Default false.</value>
    public bool Verbose { get; set; }

    /// <summary>Receives the lines when <see cref="PathTemplate"/> is <c>-</c>; ignored otherwise. Not disposed.</summary>
    /// <value>Default null.</value>
    public Stream? StandardOutput { get; set; }

    internal StrftimeTemplate Validate()
    {
        if (string.IsNullOrEmpty(PathTemplate))
            throw new WalConfigurationException("The path template of the log is empty.");
        if (PathTemplate == "-" && StandardOutput is null)
            throw new WalConfigurationException("The log path '-' needs a stream for the standard output.");
        try
        {
            return new StrftimeTemplate(PathTemplate);
        }
        catch (FormatException e)
        {
            throw new WalConfigurationException($"The log path is wrong: {e.Message}.", innerException: e);
        }
    }
}
