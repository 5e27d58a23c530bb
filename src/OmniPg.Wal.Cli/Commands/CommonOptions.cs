namespace OmniPg.Wal.Cli;

/// <summary>Options that every verb has, and those that several share, with the original's names.</summary>
internal static class CommonOptions
{
    public static readonly Option ConfigFile = Option.Many("--config-file", "FILE", "read options from FILE, one per line", "--config", "--cfg");
    public static readonly Option Log = Option.Value("--log", "TEMPLATE", "write an OmniPITR log; ^Y ^m ^d … are time, '-' is standard output", "-l");
    public static readonly Option Verbose = Option.Flag("--verbose", "log every step", "-v");
    public static readonly Option PidFile = Option.Value("--pid-file", "FILE", "let one instance at a time run");
    public static readonly Option Help = Option.Flag("--help", "show this text", "-?");
    public static readonly Option DataDirectory = Option.Value("--data-dir", "DIR", "data directory of the server (default: the current directory)", "-D");
    public static readonly Option Json = Option.Flag("--json", "print JSON");

    public static readonly Option MaxRate = Option.Value("--max-rate", "SIZE", "copy at most SIZE in a second, such as 32MB (at least 32kB)");

    public static readonly Option UnknownVersion = Option.Value(
        "--unknown-version", "WORD", "WAL of a server newer than this program: accept (default; only its headers are checked) or refuse");

    private static readonly Option Bzip2 = Option.Value("--bzip2-path", "PROGRAM", "program for bzip2= (default: bzip2 in PATH)", "-bp");
    private static readonly Option Lzma = Option.Value("--lzma-path", "PROGRAM", "program for lzma=, with the options of xz (default: xz in PATH)", "-lp");
    private static readonly Option Xz = Option.Value("--xz-path", "PROGRAM", "program for xz= (default: xz in PATH)", "-xz");
    private static readonly Option NicePath = Option.Value("--nice-path", "PROGRAM", "runs the programs of bzip2=, xz= and lzma= (default: nice in PATH)", "-np");
    private static readonly Option NotNice = Option.Flag("--not-nice", "run these programs without nice", "-nn");

    /// <summary>Those of every verb.</summary>
    public static readonly Option[] All = [ConfigFile, Log, Verbose, PidFile, Help];

    /// <summary>Where the compressors are that run as programs.</summary>
    public static readonly Option[] Codecs =
    [
        Bzip2, Lzma, Xz,
        Option.Refused("--gzip-path", "gzip is built in", "-gp"),
        Option.Refused("--lz4-path", "lz4 is built in", "-ll"),
    ];

    /// <summary>As in the original, only what runs beside a working server is nice.</summary>
    public static readonly Option[] NiceCodecs = [NicePath, NotNice];

    public static bool AllowsUnknownVersion(Arguments arguments) => arguments.Choice(UnknownVersion, true, ("accept", true), ("refuse", false));

    /// <summary>The words of <c>--validate</c>.</summary>
    public static WalValidation Validation(Arguments arguments, Option option) => arguments.Choice(
        option, WalValidation.Full, ("none", WalValidation.None), ("header", WalValidation.Header), ("full", WalValidation.Full));

    /// <summary>Makes the choice of programs known to the codecs.</summary>
    public static void ApplyCodecs(Arguments arguments, bool isNice)
    {
        CodecPrograms.Bzip2 = arguments.Get(Bzip2) ?? CodecPrograms.Bzip2;
        CodecPrograms.Xz = arguments.Get(Xz) ?? CodecPrograms.Xz;
        CodecPrograms.Lzma = arguments.Get(Lzma) ?? CodecPrograms.Lzma;
        if (isNice && !arguments.Has(NotNice) && !OperatingSystem.IsWindows())
            CodecPrograms.Nice = arguments.Get(NicePath) ?? "nice";
    }
}
