namespace OmniPg.Wal;

/// <summary>What the resident process answered.</summary>
/// <param name="Ok">Whether every required destination holds the file.</param>
/// <param name="Code">Code of the error (<see cref="OmniPgException.Code"/>); <see langword="null"/> when there is none.</param>
/// <param name="Message">Text of the error; <see langword="null"/> when there is none.</param>
public sealed record ResidentAnswer(bool Ok, string? Code = null, string? Message = null);
