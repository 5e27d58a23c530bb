namespace OmniPg.Wal.Cli;

/// <summary>omnipitr-checksum: the digest of standard input as a line for <c>sha256sum -c</c>.</summary>
internal sealed class ChecksumVerb : Verb
{
    private static readonly Option Digest = Option.Value("--digest", "NAME", "digest (default MD5)", "-d");
    private static readonly Option FileName = Option.Value("--file", "NAME", "name in the line (default <stdin>)", "-f");
    private static readonly Option List = Option.Flag("--list", "list the digests", "-l");

    public override string Name => "checksum";

    public override string Summary => "digest standard input";

    public override string Example => "omnipg-wal checksum -d SHA-256 -f base.tar < base.tar > base.tar.SHA-256";

    public override IReadOnlyList<Option> Options { get; } = [Digest, FileName, List];

    public override async Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(0, "no arguments");
        if (arguments.Has(List))
        {
            foreach (var name in ChecksumFile.DigestNames)
                await context.Output.WriteLineAsync(name);
            return ExitCodes.Done;
        }

        var digest = ChecksumFile.ParseDigest(arguments.Get(Digest) ?? "MD5");
        await using var input = Console.OpenStandardInput();
        var hex = await ChecksumFile.ComputeAsync(input, digest, cancellationToken);
        await context.Output.WriteAsync(ChecksumFile.FormatLine(hex, arguments.Get(FileName) ?? "<stdin>"));
        return ExitCodes.Done;
    }
}
