namespace OmniPg.Extractor.Composing;

/// <summary>The session in which psql runs a tree's entries: that of pg_dump's own scripts.</summary>
internal static class TreePrologue
{
    public static string Settings(string clientEncoding = "UTF8") => $"SET client_encoding = '{clientEncoding}';\n" + Common;

    private const string Common = "SET statement_timeout = 0;\nSET lock_timeout = 0;\nSET idle_in_transaction_session_timeout = 0;\n"
        + "SET standard_conforming_strings = on;\nSELECT pg_catalog.set_config('search_path', '', false);\n"
        + "SET check_function_bodies = false;\nSET xmloption = content;\nSET client_min_messages = warning;\nSET row_security = off;\n" + Defaults;

    /// <summary>Each entry of a tree expects these; one that needs others sets them and leaves them set.</summary>
    public const string Defaults = "SET default_tablespace = '';\nSET default_table_access_method = heap;\n\n";
}
