namespace OmniPg.Mimeo;

/// <summary>Base of every error of this package. Misuse of the API throws the <see cref="ArgumentException"/> family instead.</summary>
public abstract class MimeoException : OmniPgException
{
    private protected MimeoException(string code, string message, string? hint = null, Exception? innerException = null)
        : base(code, message, hint, innerException)
    {
    }
}
