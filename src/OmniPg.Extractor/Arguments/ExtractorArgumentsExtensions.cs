namespace OmniPg.Extractor;

/// <summary>Command lines of PG Extractor, where one looks for them: at the options.</summary>
public static class ExtractorArgumentsExtensions
{
    extension(ExtractorOptions)
    {
        /// <summary>Reads the options of PG Extractor: its long and short names, mixed with <c>@file</c> arguments.</summary>
        /// <param name="arguments">Arguments, one element each.</param>
        /// <returns>What they ask for.</returns>
        /// <exception cref="ExtractorOptionException">An option is not known, or its value is missing or wrong.</exception>
        public static ExtractorArguments ParseArguments(IEnumerable<string> arguments) => ExtractorArguments.Parse(arguments);
    }
}
