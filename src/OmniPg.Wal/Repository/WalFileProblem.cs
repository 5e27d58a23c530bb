namespace OmniPg.Wal;

/// <summary>An archived file that is not what its name says.</summary>
/// <param name="File">The file.</param>
/// <param name="Error">What is wrong: <see cref="WalValidationException"/> or a damaged compression.</param>
public sealed record WalFileProblem(WalArchivedFile File, Exception Error);
