namespace OmniPg.Wal.Cli;

/// <summary>Options that every verb has, with the original's names.</summary>
internal static class CommonOptions
{
    public static readonly Option ConfigFile = Option.Many("--config-file", "FILE", "read options from FILE, one per line", "--config", "--cfg");
    public static readonly Option Log = Option.Value("--log", "TEMPLATE", "write an OmniPITR log; ^Y ^m ^d … are time, '-' is standard output", "-l");
    public static readonly Option Verbose = Option.Flag("--verbose", "log every step", "-v");
    public static readonly Option PidFile = Option.Value("--pid-file", "FILE", "let one instance at a time run");
    public static readonly Option Help = Option.Flag("--help", "show this text", "-?");
    public static readonly Option DataDirectory = Option.Value("--data-dir", "DIR", "data directory of the server (default: the current directory)", "-D");
    public static readonly Option Json = Option.Flag("--json", "print JSON");

    public static readonly Option UnknownVersion = Option.Value(
        "--unknown-version", "WORD", "WAL of a server newer than this program: accept (default; only its headers are checked) or refuse");

    public static readonly Option[] All = [ConfigFile, Log, Verbose, PidFile, Help];

    public static bool AllowsUnknownVersion(Arguments arguments) => arguments.Choice(UnknownVersion, true, ("accept", true), ("refuse", false));
}
