namespace OmniPg.Wal.Cli;

/// <summary>Where the compressors are that run as programs, with the original's names.</summary>
internal static class CodecOptions
{
    private static readonly Option Bzip2 = Option.Value("--bzip2-path", "PROGRAM", "program for bzip2= (default: bzip2 in PATH)", "-bp");
    private static readonly Option Lzma = Option.Value("--lzma-path", "PROGRAM", "program for lzma=, with the options of xz (default: xz in PATH)", "-lp");
    private static readonly Option Xz = Option.Value("--xz-path", "PROGRAM", "program for xz= (default: xz in PATH)", "-xz");
    private static readonly Option NicePath = Option.Value("--nice-path", "PROGRAM", "runs the programs of bzip2=, xz= and lzma= (default: nice in PATH)", "-np");
    private static readonly Option NotNice = Option.Flag("--not-nice", "run these programs without nice", "-nn");

    public static readonly Option[] Programs =
    [
        Bzip2, Lzma, Xz,
        Option.Refused("--gzip-path", "gzip is built in", "-gp"),
        Option.Refused("--lz4-path", "lz4 is built in", "-ll"),
    ];

    /// <summary>As in the original, only what runs beside a working server is nice.</summary>
    public static readonly Option[] Nice = [NicePath, NotNice];

    /// <summary>Makes the choice known to the codecs.</summary>
    public static void Apply(Arguments arguments, bool isNice)
    {
        CodecPrograms.Bzip2 = arguments.Get(Bzip2) ?? CodecPrograms.Bzip2;
        CodecPrograms.Xz = arguments.Get(Xz) ?? CodecPrograms.Xz;
        CodecPrograms.Lzma = arguments.Get(Lzma) ?? CodecPrograms.Lzma;
        if (isNice && !arguments.Has(NotNice) && !OperatingSystem.IsWindows())
            CodecPrograms.Nice = arguments.Get(NicePath) ?? "nice";
    }
}
