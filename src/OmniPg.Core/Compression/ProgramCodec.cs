using OmniPg.Processes;

namespace OmniPg.Compression;

/// <summary>A format that only an external program reads and writes: its arguments one by one, no shell.</summary>
internal sealed class ProgramCodec(
    string name, string extension, int minLevel, int defaultLevel, byte[] magic, string program, string[] formatArguments, string package)
    : Codec(name, extension, minLevel, 9, defaultLevel)
{
    public override bool IsAvailable(out string? reason)
    {
        reason = FindProgram() is null ? $"The program '{program}' is not in PATH. {Hint}" : null;
        return reason is null;
    }

    public override bool Matches(ReadOnlySpan<byte> start) => magic.Length > 0 && start.StartsWith(magic);

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) =>
        new ProgramEncoderStream(Options(["--stdout", $"-{level}", .. formatArguments]), sink, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) =>
        new ProgramDecoderStream(Name, Options(["--decompress", "--stdout", .. formatArguments]), source, leaveOpen);

    private string Hint => $"Install the package '{package}'.";

    private ExternalProcessOptions Options(string[] arguments) => new()
    {
        FileName = FindProgram() ?? throw new CodecUnavailableException(Name, program, Hint),
        Arguments = arguments,
        RedirectInput = true,
    };

    private string? FindProgram()
    {
        foreach (var directory in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            var path = Path.Combine(directory, OperatingSystem.IsWindows() ? program + ".exe" : program);
            if (File.Exists(path))
                return path;
        }

        return null;
    }
}
