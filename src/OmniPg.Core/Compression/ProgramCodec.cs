namespace OmniPg;

/// <summary>A format that only an external program reads and writes: its arguments one by one, no shell.</summary>
internal sealed class ProgramCodec(
    string name, string extension, int minLevel, int defaultLevel, byte[] magic, Func<string> program, string[] formatArguments, string package)
    : Codec(name, extension, minLevel, 9, defaultLevel)
{
    public override bool IsAvailable(out string? reason)
    {
        var missing = new[] { program(), CodecPrograms.Nice }.FirstOrDefault(p => p is not null && Find(p) is null);
        reason = missing is null ? null : $"The program '{missing}' is not there{(IsPath(missing) ? "" : ", it was looked for in PATH")}. {HintFor(missing)}";
        return reason is null;
    }

    public override bool Matches(ReadOnlySpan<byte> start) => magic.Length > 0 && start.StartsWith(magic);

    private protected override Stream OpenCompress(Stream sink, int level, bool leaveOpen) =>
        new ProgramEncoderStream(Options(["--stdout", $"-{level}", .. formatArguments]), sink, leaveOpen);

    private protected override Stream OpenDecompress(Stream source, bool leaveOpen) =>
        new ProgramDecoderStream(Name, Options(["--decompress", "--stdout", .. formatArguments]), source, leaveOpen);

    private string HintFor(string missing) =>
        missing == CodecPrograms.Nice ? "Give the path of nice, or do without it." : $"Install the package '{package}', or give the program's path.";

    private ExternalProcessOptions Options(string[] arguments)
    {
        var path = Require(program());
        return CodecPrograms.Nice is { } nice
            ? new ExternalProcessOptions { FileName = Require(nice), Arguments = [path, .. arguments], RedirectInput = true }
            : new ExternalProcessOptions { FileName = path, Arguments = arguments, RedirectInput = true };
    }

    private string Require(string wanted) => Find(wanted) ?? throw new CodecUnavailableException(Name, wanted, HintFor(wanted));

    private static string? Find(string wanted)
    {
        if (IsPath(wanted))
            return File.Exists(wanted) ? wanted : null;
        foreach (var directory in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            var path = Path.Combine(directory, OperatingSystem.IsWindows() ? wanted + ".exe" : wanted);
            if (File.Exists(path))
                return path;
        }

        return null;
    }

    private static bool IsPath(string wanted) => wanted.AsSpan().ContainsAny('/', Path.DirectorySeparatorChar);
}
