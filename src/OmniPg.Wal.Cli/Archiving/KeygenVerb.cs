namespace OmniPg.Wal.Cli;

/// <summary>Makes the key file of <c>--encrypt</c> and <c>--key</c>.</summary>
internal sealed class KeygenVerb : Verb
{
    public override string Name => "keygen";

    public override string Summary => "make a key file for --encrypt";

    public override string Operands => "FILE";

    public override string Example => "omnipg-wal keygen /etc/omnipg/wal.key";

    public override IReadOnlyList<Option> Options { get; } = [];

    public override Task<int> RunAsync(Arguments arguments, ProgramContext context, CancellationToken cancellationToken)
    {
        arguments.RequireOperands(1, "the new key file");
        var key = WalEncryptionKey.Generate();
        key.WriteFile(arguments.Operands[0]);
        context.Report(key.Id);
        return Task.FromResult(ExitCodes.Done);
    }

    public override int ExitCodeOf(Arguments? arguments, Exception error) => error is UsageException or ArgumentException ? ExitCodes.WrongUse : ExitCodes.DestinationFailed;
}
