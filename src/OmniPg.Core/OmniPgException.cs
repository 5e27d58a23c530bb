using Npgsql;

namespace OmniPg;

/// <summary>Base of every error that an OmniPg package reports about its own work.</summary>
/// <remarks>
/// Misuse of the API throws the <see cref="ArgumentException"/> family or <see cref="InvalidOperationException"/> instead, and a cancelled call
/// throws <see cref="OperationCanceledException"/> untouched. Messages and hints never hold passwords, keys or connection strings.
/// </remarks>
public abstract class OmniPgException : Exception
{
    /// <summary>Creates the error.</summary>
    /// <param name="code">Stable dotted name of the condition, such as <c>wal.archive.conflict</c>; never localised.</param>
    /// <param name="message">One sentence that names the object and both sides of a mismatch.</param>
    /// <param name="hint">What the operator does next; <see langword="null"/> when there is nothing to do but retry.</param>
    /// <param name="innerException">The cause; a <see cref="PostgresException"/> here feeds <see cref="SqlState"/>.</param>
    protected OmniPgException(string code, string message, string? hint = null, Exception? innerException = null)
        : base(hint is null ? message : $"{message} Hint: {hint}", innerException)
    {
        ArgumentException.ThrowIfNullOrEmpty(code);
        (Code, Sentence, Hint) = (code, message, hint);
    }

    /// <summary>Stable dotted name of the condition; documented per package, safe to compare and to use as a telemetry tag.</summary>
    public string Code { get; }

    /// <summary>What is wrong: <see cref="Exception.Message"/> without the hint, for whoever shows both apart.</summary>
    public string Sentence { get; }

    /// <summary>What the operator does next, or <see langword="null"/>. Also part of <see cref="Exception.Message"/>.</summary>
    public string? Hint { get; }

    /// <summary>SQLSTATE of the server's error that caused this one, or <see langword="null"/> when the server did not cause it.</summary>
    public string? SqlState => (InnerException as PostgresException)?.SqlState;

    /// <summary>Whether the same call may succeed later without anybody changing anything. Default: what the driver says of its own error.</summary>
    public virtual bool IsTransient => InnerException is NpgsqlException { IsTransient: true };
}
