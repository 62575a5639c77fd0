/* The page of the API's document: Swagger UI without requests to other sites. */
"use strict";
document.documentElement.classList.toggle("dark-mode", matchMedia("(prefers-color-scheme: dark)").matches); // Swagger UI's
const place = document.getElementById("api");
SwaggerUIBundle({ domNode: place, url: place.dataset.document, validatorUrl: null, docExpansion: "list", defaultModelsExpandDepth: 0 });
