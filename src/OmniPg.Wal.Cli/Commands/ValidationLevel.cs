namespace OmniPg.Wal.Cli;

/// <summary>The words of <c>--validate</c>.</summary>
internal static class ValidationLevel
{
    public static WalValidation Read(Arguments arguments, Option option) => arguments.Choice(
        option, WalValidation.Full, ("none", WalValidation.None), ("header", WalValidation.Header), ("full", WalValidation.Full));
}
