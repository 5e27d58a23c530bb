namespace OmniPg.Extractor;

/// <summary>Base of every error that OmniPg.Extractor raises by itself.</summary>
/// <remarks>Misuse of the API is reported with the <see cref="ArgumentException"/> family and <see cref="InvalidOperationException"/>.</remarks>
public abstract class ExtractorException : OmniPgException
{
    private protected ExtractorException(string code, string message, string? hint = null, Exception? innerException = null)
        : base(code, message, hint, innerException)
    {
    }
}
