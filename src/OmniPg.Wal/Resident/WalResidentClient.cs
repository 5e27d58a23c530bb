using OmniPg.Shared;

namespace OmniPg.Wal;

/// <summary>Asks a resident process to archive a file: one JSON line there, one back.</summary>
public static class WalResidentClient
{
    /// <summary>Asks and waits for the answer.</summary>
    /// <param name="socketPath">The process's Unix socket.</param>
    /// <param name="path">Path of the file as PostgreSQL passes it (<c>%p</c>).</param>
    /// <param name="cancellationToken">Stops waiting; the resident process goes on.</param>
    /// <returns>The answer, or <see langword="null"/> when nobody listens, this account may not ask, or the process went away before it answered: then do the work oneself.</returns>
    /// <exception cref="ArgumentException">A path is empty.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the resident process goes on.</exception>
    public static Task<ResidentAnswer?> TryArchiveAsync(string socketPath, string path, CancellationToken cancellationToken = default)
    {
        ArgumentException.ThrowIfNullOrEmpty(socketPath);
        ArgumentException.ThrowIfNullOrEmpty(path);
        return OwnThread.RunAsync(() => Ask(socketPath, path, cancellationToken));
    }

    private static ResidentAnswer? Ask(string socketPath, string path, CancellationToken cancellationToken)
    {
        try
        {
            return ResidentQuestion.Ask(socketPath, path, cancellationToken) is { } answer ? new ResidentAnswer(answer.Ok, answer.Code, answer.Message) : null;
        }
        catch (UnauthorizedAccessException)
        {
            return null;
        }
    }
}

/// <summary>What the resident process answered.</summary>
/// <param name="Ok">Whether every required destination holds the file.</param>
/// <param name="Code">Code of the error (<see cref="OmniPgException.Code"/>); <see langword="null"/> when there is none.</param>
/// <param name="Message">Text of the error; <see langword="null"/> when there is none.</param>
public sealed record ResidentAnswer(bool Ok, string? Code = null, string? Message = null);
