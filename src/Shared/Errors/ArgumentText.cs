namespace OmniPg.Shared;

/// <summary>What an exception says of an argument, for a reader who did not pass one.</summary>
internal static class ArgumentText
{
    /// <summary>The message without the name of the parameter, which the runtime appends.</summary>
    public static string Of(ArgumentException error) =>
        error.ParamName is { } name ? error.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : error.Message;
}
